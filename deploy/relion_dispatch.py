#!/bin/sh
''':' 2>/dev/null
# The command that RELION calls: RELION_QSUB_COMMAND=…/relion_dispatch.py
# A shell script first, so that it starts in a Python of the dispatcher's own, whatever conda or
# PYTHONPATH the user has loaded: $RELION_DISPATCH_PYTHON, the one installed beside this file, the
# checkout's .venv, else the system's. Python itself reads all this as a docstring.
file=$(readlink -f "$0")
here=${file%/*}
for python in "${RELION_DISPATCH_PYTHON:-}" "$here/python" "$here/../.venv/bin/python" /usr/bin/python3; do
    [ -x "$python" ] && exec "$python" -I -X utf8 "$here/relion_dispatch.py" "$@"
done
exec python3 -I -X utf8 "$here/relion_dispatch.py" "$@"
'''

import re
import sys
from pathlib import Path

checkout = Path(__file__).resolve().parent.parent
if (checkout / "dispatcher" / "hook.py").is_file():
    sys.path.insert(0, str(checkout))

try:
    from dispatcher.hook import main
except Exception as error:  # a damaged installation: RELION must learn of it all the same
    job = Path(sys.argv[-1]).absolute().parent
    if re.fullmatch("job[0-9]{3,}", job.name) and job.is_dir():  # the rule of dispatcher/refusal.py
        with (job / "run.err").open("a") as stream:
            stream.write("relion-dispatch: The installation of relion-dispatch is damaged "
                         f"({error}): tell your admin.\n")
        (job / "RELION_JOB_EXIT_FAILURE").touch()
    raise

sys.exit(main(sys.argv[1:]))
