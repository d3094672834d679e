# A login program for tests: counts every try in the file "tries". Usage: login.sh PASSWORD MODE
trap '' INT
while :; do
    printf 'Test Linux\n\nunit login: '
    read -r name || exit 0
    [ -n "$name" ] || continue
    stty -echo
    printf 'Password: '
    read -r word || word=
    stty echo
    echo
    printf '%s %s\n' "$name" "$word" >>tries
    if [ "$word" = "$1" ]; then
        if [ "$2" = change ]; then
            printf 'You are required to change your password immediately.\nCurrent password: '
            read -r word
        fi
        echo "Last login: Fri Nov 20 10:00:00 on ttyS0"
        sh -i
    else
        sleep 0.3
        echo
        [ "$2" = quiet ] || echo 'Login incorrect'
    fi
done
