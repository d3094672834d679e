^XA
^FX A label of 50 x 25 mm for a printer of 203 dpi (8 dots per mm). What stands in double braces is filled in for each unit.
^FX A field with such a value announces hex escapes (FH): values are escaped, so that none of them can be a command.
^CI28
^PW400^LL200^LH0,0
^PQ{{ copies }}
^FX The code that is scanned back. Leave four modules of white around it.
^FO20,20^BQN,2,5^FH^FDMA,{{ code }}^FS
^FO168,18^A0N,22,22^FH^FD{{ product }}^FS
^FO168,44^A0N,34,32^FH^FD{{ hardware_id }}^FS
{%- if serial is defined %}
^FO168,84^A0N,20,20^FH^FDS/N {{ serial }}^FS
{%- endif %}
{%- for name in mac %}{% if loop.index <= 3 %}
^FO168,{{ 86 + 22 * loop.index }}^A0N,20,20^FH^FD{{ name }} {{ mac[name] }}^FS
{%- endif %}{% endfor %}
^FO20,176^A0N,18,18^FH^FD{{ code_for_people }}^FS
^XZ
