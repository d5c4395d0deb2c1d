#!/bin/sh
# Shuts a command in: it sees system programs, its own folder, an empty /tmp and its own processes, nothing else.
# Runs as the first process of new mount and process namespaces.
#   sandbox.sh MOUNTPOINT FOLDER ro|rw RUNTIME UID TMP_MB NODE_PREFIX TASKS FILE_BYTES DATA_BYTES COMMAND…
# UID is the user to become, or `own` inside of a user namespace.
set -eu
umask 022
root=$1 folder=$2 access=$3 runtime=$4 uid=$5 tmp=$6 prefix=$7 tasks=$8 file_bytes=$9
shift 9
data_bytes=$1
shift
flags=nosuid,nodev
mount -t tmpfs -o "size=1m,mode=755,$flags" none "$root"
show () { # PATH-OUTSIDE PATH-INSIDE OPTIONS
  if [ -d "$1" ]; then mkdir -p "$root$2"; else mkdir -p "$root${2%/*}"; : > "$root$2"; fi
  mount --bind -o "$3" "$1" "$root$2"
}
for place in /usr /bin /sbin /lib /lib32 /lib64; do
  if [ -L "$place" ]; then cp -P "$place" "$root$place"; elif [ -d "$place" ]; then show "$place" "$place" "ro,$flags"; fi
done
for place in /etc/ssl /etc/pki /etc/resolv.conf /etc/hosts /etc/nsswitch.conf /etc/passwd /etc/localtime; do
  if [ -e "$place" ]; then show "$(readlink -f "$place")" "$place" "ro,$flags"; fi
done
case $prefix in /usr | /usr/*) ;; *) show "$prefix" "$prefix" "ro,$flags" ;; esac
for device in /dev/null /dev/zero /dev/random /dev/urandom; do
  mkdir -p "$root/dev"; : > "$root$device"; mount --bind "$device" "$root$device"
done
show "$folder" /var/user "$access,$flags"
show "$runtime" /var/runtime "ro,$flags"
mkdir -p "$root/proc" "$root/tmp" "$root/old"
mount -t tmpfs -o "size=${tmp}m,mode=1777,$flags" none "$root/tmp"
mount -t proc -o "$flags,noexec" proc "$root/proc"
cd "$root"
pivot_root . old
umount -l /old
rmdir /old
mount -o "remount,ro,$flags" / 2> /dev/null || mount -o "remount,bind,ro,$flags" /
cd /var/user
unset OLDPWD
limits="--core=0 --nofile=512 --nproc=$tasks --fsize=$file_bytes --data=$data_bytes --memlock=65536 --msgqueue=0"
drop="--no-new-privs --inh-caps=-all --bounding-set=-all"
[ "$uid" = own ] || drop="$drop --reuid=$uid --regid=$uid --clear-groups"
# shellcheck disable=SC2086 # the words of each list are meant one by one
exec setpriv $drop prlimit $limits nice -n 5 "$@"
