"""The agent: a small POSIX sh loop that a login shell on the unit runs, so that the wire never speaks to a parser.

It reads numbered requests, runs one only when the whole of it has arrived (by hash, or after the station has
compared the echo), keeps the answer, and sends it again as often as it is asked, so that no command runs twice.
It needs `read`, `printf`, `[`, command substitution and arithmetic, and it uses no temporary file. Its text holds
no single quote (it travels inside them), no tab and no exclamation mark (interactive shells act on those).

Ctrl-C ends the command that runs and not the agent. While a payload comes it is a byte like others: a damaged byte
must not end a transfer.
"""

from __future__ import annotations

from factory.units.framing import DIGITS, Codec, Hash
from factory.units.login import split

REPLY_LIMIT = 1024 * 1024
_ENCODED_LIMIT = 4 * REPLY_LIMIT

# Lines up:   B n (new request), D text (a piece of it), X n hash (run), Z n hash (run with a payload on stdin),
#             E n (echo the request), G n (are you there), Q (leave); a lone Ctrl-U also leaves;
#             V echo, V -echo (what the terminal does with what it hears; at any time).
# In a payload: D text, K start end attempt hash (these were bytes start to end), Y (the echo was right), P attempt
#             (where are we), T size attempt (that was all), A (abort).
_TEXT = """\
LC_ALL=C
m={mark}
u=$(printf "\\025")
{stty}
trap : INT
exec 5>&1
Y() {{ {encoder}; }}
T() {{ {decoder}; }}
H() {{ {hash}; }}
A() {{ printf "\\n%s) %s %s %s %s\\n" "$m" "$1" "$2" "$3" "$3"; }}
S() {{ printf "\\n%s( %s R\\n%s\\n%s) %s R %s %s\\n" "$m" "$l" "$x" "$m" "$l" "${{#x}}" "$r"; }}
V() {{ if T "$d"; then n=$e; else f=1; fi; }}
W() {{ trap "" PIPE; n=0; d=; f=; v=; while read -r a; do case $a in
"D "*) d=$d${{a#D }}; v=; continue;;
"K "*) j=${{a#K }}; e=${{j#* }}; j=${{j%% *}}; t=${{e#* }}; e=${{e%% *}}; g=${{t#* }}; t=${{t%% *}}
{block};;
"P "*) e=p; t=${{a#P }};;
"T "*) e=${{a#T }}; t=${{e#* }}; e=${{e%% *}}; if [ "$e$f" = "$n" ]; then A "$i" K "T.$e.$t" >&5; return 0; fi;;
"A"|"$u") return 1;;
{echo}*) continue;;
esac
d=; v=; if [ -n "$f" ]; then A "$i" F "$n.$e.$t" >&5; else A "$i" K "$n.$e.$t" >&5; fi
done; return 1; }}
R() {{ sh -c "$c" 2>&3 3>&- 4>&- 5>&-; }}
C() {{ if [ "$o" = Z ]; then {{ {deaf}W; {hears}}} 2>/dev/null | R; else R </dev/null; fi; echo "S$?"; }}
U() {{ c=$(T "$b"; echo .); c=${{c%.}}
x=$( {{ {{ C{head} | Y >&4; }} 3>&1 | {{ e=$({error} Y); echo .; echo "$e"; }} >&4; }} 4>&1 )
if [ ${{#x}} -gt {limit} ]; then x=too-large; fi
H "$l:$x"; r=$h; }}
z=0; i=; b=; l=; x=; r=; k=
A 0 G start
while [ $z -lt 50 ]; do
if read -r a; then z=0; else z=$((z+1)); continue; fi
case $a in
"B "*) i=${{a#B }}; b=; k=;;
"D "*) b=$b${{a#D }}; k=;;
"E "*) k=${{a#E }}; H "$k:$b"; printf "\\n%s( %s E\\n%s\\n%s) %s E %s %s\\n" "$m" "$k" "$b" "$m" "$k" "${{#b}}" "$h";;
[XZ]" "*) o=${{a%% *}}; j=${{a#? }}; g=${{j#* }}; j=${{j%% *}}
if [ "$j" = "$l" ]; then S
else H "$i:$b"; if [ "$j" = "$i" ] && [ "$h" = "$g" ] && [ {whole} ]; then l=$j; U; S; else A "$j" N n; fi; fi;;
"G "*) A 0 G "${{a#G }}";;
{echo}"Q"{quit}) break;;
esac
done
{leave}"""

# A block counts when it follows what was taken and its hash is right, or when the station has approved its echo.
_BLOCK = 'if [ "$j" = "$n" ]; then H "$j:$e:$d"; if [ "$h" = "$g" ]; then V; fi; fi'
_ECHOED_BLOCK = """v=$d; d=; b=$j/$e/$v
printf "\\n%s( %s E\\n%s\\n%s) %s E %s -\\n" "$m" "$i" "$b" "$m" "$i" "${#b}" >&5; continue;;
"Y") if [ "$j" = "$n" ] && [ -n "$v" ]; then d=$v; V; fi"""
_HASH = 'h=$(printf %s "$1" | {tool}); h=${{h%% *}}'
_CUT = '; h=${h%"${h#' + "?" * DIGITS + '}"}'
_ECHO = '"V echo"|"V -echo") stty ${a#V }; continue;;\n'


def agent_text(
    mark: str, codec: Codec, check: Hash, *, tools: frozenset[str], log_out: bool, echo: bool = False
) -> str:
    """The agent's source for one unit: its codec, its hash, what it has of `stty` and `head`, how to leave, and
    whether the terminal echoes what it hears.
    """
    has_stty = "stty" in tools
    # Control characters that a damaged byte may turn into must not stop or end anything, nor throw away what waits.
    raw = f"s=$(stty -g); stty {'' if echo else '-'}echo -icanon isig noflsh -ixon -iexten icrnl min 1 time 0"
    raw += "\nstty intr ^C quit undef susp undef -echoctl"
    leave = ["exec 5>&-", "trap - INT", *(['stty "$s"'] if has_stty else [])]
    return _TEXT.format(
        mark=split(mark),
        stty=raw if has_stty else "",
        encoder=codec.encoder,
        decoder=codec.decoder,
        deaf="stty -isig; " if has_stty else "",
        hears="stty isig; " if has_stty else "",
        echo=_ECHO if has_stty else "",
        hash=_HASH.format(tool=check.tool) + (_CUT if check.cut else "") if check.checks else "h=-",
        head=f" | head -c {codec.most + 64}" if "head" in tools else "",
        block=_BLOCK if check.checks else _ECHOED_BLOCK,
        error="{ head -c 4096; while read -r a; do :; done; } |" if "head" in tools else "",
        limit=_ENCODED_LIMIT,
        whole='"$h" = "$g"' if check.checks else '"$k" = "$i"',
        quit='|"$u"' if has_stty else '|"$u"|""',
        leave="\n".join([*leave, *(["exit"] if log_out else [])]),
    )
