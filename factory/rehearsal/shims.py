"""Stand-ins for programs that must not reach the host: a few lines of shell each, written into the unit's `bin`.

The lines of `connectd_control` have the vendor's wording (remote.it bulk reference, section 2.1), the code is ours.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from factory.rehearsal.plan import UnitPlan

KERNEL = "6.6.51-rehearsal"
_HOST = {
    "sync": "exit 0",
    "reboot": 'printf "reboot\\n" >"$CONTROL/requests"',
    "poweroff": 'printf "power-off\\n" >"$CONTROL/requests"',
    "hostname": "cat etc/hostname",
    "ip": r"""
case "$*" in
*-br*) echo 'Option "-br" is unknown, try "ip -help".' >&2; exit 255 ;;
route*) exit 0 ;;
esac
n=0
for f in sys/class/net/*; do
  n=$((n + 1)); d=${f##*/}; mac=$(cat "$f/address")
  flags='<BROADCAST,MULTICAST,UP,LOWER_UP>'; kind=ether; all=ff:ff:ff:ff:ff:ff
  [ "$d" = lo ] && { flags='<LOOPBACK,UP,LOWER_UP>'; kind=loopback; all=$mac; }
  echo "$n: $d: $flags mtu 1500 qdisc pfifo_fast state UP mode DEFAULT group default qlen 1000"
  echo "    link/$kind $mac brd $all"
done""",
    "ifconfig": r"""
for f in sys/class/net/*; do
  d=${f##*/}; [ "$d" = lo ] && continue
  echo "$d      Link encap:Ethernet  HWaddr $(tr a-f A-F <"$f/address")"
  echo "          UP BROADCAST RUNNING MULTICAST  MTU:1500  Metric:1"
  echo
done""",
    "dmesg": r"""
[ "$1" = -n ] && exit 0
cat var/log/dmesg""",
    "mount": r"""
if [ $# -eq 0 ]; then
  while read -r dev dir type options _; do echo "$dev on $dir type $type ($options)"; done <proc/mounts
  exit
fi
case "$*" in *remount*) exit 0 ;; esac
echo "mount: permission denied (a simulated unit mounts nothing)" >&2; exit 32""",
    "umount": 'echo "umount: $1: target is busy" >&2; exit 32',
    "sudo": r"""
while :; do
  case "$1" in -n) shift ;; --) shift; break ;; -*) echo "sudo: invalid option $1" >&2; exit 1 ;; *) break ;; esac
done
cd "$OLD" || exit 1
[ -f "$CONTROL/functions" ] || exec "$@"
. "$CONTROL/functions"; "$@" """,
    "id": r"""
case "$1" in
-u|-g|-G) echo 0 ;;
-un|-gn|-nu|-ng) echo root ;;
*) echo 'uid=0(root) gid=0(root) groups=0(root)' ;;
esac""",
    "whoami": "echo root",
    "uname": r"""
[ $# -eq 0 ] && set -- -s
out=
for o; do case "$o" in
-a) out="$out Linux $(cat etc/hostname) $RELEASE #1 SMP rehearsal armv7l GNU/Linux" ;;
-s) out="$out Linux" ;; -n) out="$out $(cat etc/hostname)" ;; -r) out="$out $RELEASE" ;;
-m) out="$out armv7l" ;; -v) out="$out #1 SMP rehearsal" ;; -o) out="$out GNU/Linux" ;;
*) echo "uname: unrecognized option '$o'" >&2; exit 1 ;;
esac; done
echo "${out# }" """,
    "ps": r"""
echo "  PID USER       TIME  COMMAND"
echo "    1 root       0:03 init"
for f in run/connectd/*.pid; do
  [ -f "$f" ] && { p=${f##*/}; echo "  412 root       0:01 connectd.arm -f etc/connectd/active/${p%.pid}"; }
done
exit 0""",
    "pidof": r"""
for f in run/connectd/*.pid; do [ -f "$f" ] && case "$1" in connectd*) echo 412; exit 0 ;; esac; done
exit 1""",
    "df": r"""
used=41; [ -e "$CONTROL/full" ] && used=100
echo "Filesystem     1K-blocks    Used Available Use% Mounted on"
echo "/dev/mmcblk0p2    499600  $((4996 * used)) $((4996 * (100 - used)))  $used% $ROOT" """,
}

# The variables of U-Boot as its tools for Linux show them, kept over a restart.
_ENVIRONMENT = {
    "fw_setenv": r"""
E=etc/uboot.env
[ $# -ge 1 ] || { echo "usage: fw_setenv NAME [VALUE]" >&2; exit 1; }
{ [ -f $E ] && grep -v "^$1=" $E; [ $# -ge 2 ] && echo "$1=$2"; :; } >$E.new && mv $E.new $E""",
    "fw_printenv": r"""
E=etc/uboot.env
[ "$1" = -n ] && { sed -n "s/^$2=//p" $E 2>/dev/null; exit; }
[ $# -eq 0 ] && { cat $E 2>/dev/null; exit; }
grep "^$1=" $E 2>/dev/null || { echo "## Error: \"$1\" not defined" >&2; exit 1; }""",
}

CONNECTD_CONTROL = r"""
B=etc/connectd
value() { [ -f "$B/$1" ] && cat "$B/$1" || echo "$2"; }
mac() { cat "sys/class/net/$1/address" 2>/dev/null | tr -d :; }
case "$1" in
show)
  echo "Hardware ID is $(value hardware_id.txt "$(mac wlan0)")"
  echo "Registration key is $(value registration_key.txt "$(mac eth0)")"
  echo "Bulk ID Code is $(value bulk_identification_code.txt 'Bulk ID code file is missing.')" ;;
status)
  none=1
  for f in "$B"/available/*; do
    [ -f "$f" ] || continue
    none=0; p=${f##*/}
    if [ ! -e "$B/active/$p" ]; then echo "$p disabled"
    elif [ -f "run/connectd/$p.pid" ]; then echo "$p enabled and running"
    else echo "$p enabled but not running"; fi
  done
  [ $none = 1 ] && echo "no devices found"
  exit 0 ;;
stop) rm -f run/connectd/*.pid ;;
start) for f in "$B"/active/*; do [ -e "$f" ] && echo 412 >"run/connectd/${f##*/}.pid"; done; exit 0 ;;
reset)
  if [ "$2" != y ]; then
    printf 'Reset the device? (y/n) '; read -r answer; [ "$answer" = y ] || exit 1
  fi
  rm -f "$B"/*.ver
  for d in available active dfiles pfiles; do
    for f in "$B/$d"/*; do { [ -e "$f" ] || [ -L "$f" ]; } && { rm -f "$f" || { echo 'Reset Failed.'; exit 1; }; }; done
  done
  echo 'Reset OK.' ;;
*) echo 'usage: connectd_control show | status all | start all | stop all | reset [y]' >&2; exit 1 ;;
esac"""


def shims_for(plan: UnitPlan, root: Path, control: Path, shell: Path) -> dict[str, str]:
    """Return the text of every shim of a unit, by name. Each runs in the unit's root, wherever it is called."""
    bodies = dict(_HOST)
    if plan.environment:
        bodies |= _ENVIRONMENT
    if plan.connectd_control:
        bodies["connectd_control"] = CONNECTD_CONTROL
    head = (
        f"#!{shell}\nROOT={shlex.quote(str(root))} CONTROL={shlex.quote(str(control))} RELEASE={KERNEL}\n"
        'OLD=$PWD; cd "$ROOT" || exit 1\n'
        'printf "%s\\n" "${0##*/} $*" 2>/dev/null >>"$CONTROL/calls"\n'
    )
    return {name: f"{head}{body.strip(chr(10))}\n" for name, body in bodies.items()}
