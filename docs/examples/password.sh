# Takes the password out of $url, if it has one, so that no other program gets it as an argument.
if [[ $url =~ ^([a-z]+://[^:/@]*):([^@]*)@(.*)$ ]]; then
    url="${BASH_REMATCH[1]}@${BASH_REMATCH[3]}"
    encoded=${BASH_REMATCH[2]}
    encoded=${encoded//\\/\\\\}
    printf -v PGPASSWORD '%b' "${encoded//%/\\x}"
    export PGPASSWORD
    unset encoded
fi
