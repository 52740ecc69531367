# shellcheck shell=bash disable=SC2154 # the job script makes the settings
# What did the programs themselves say of their failure? Several ranks write at once, with backtraces and MPI's own
# words between; a statement is found by what stands before it:
#   "ERROR:" at the end of a line       RELION's errors (RelionError, error.cpp, 3.1 to 5.0); the text is on the next
#                                       lines, the place in the source before or behind it
#   "The following errors were …"       options that RELION cannot read (args.cpp)
#   "Traceback (most recent call last)" Python; the exception stands behind the indented frames, or behind a frame
#                                       drawn with lines (typer), and the last of a chain counts; of a group of
#                                       exceptions ("  | " before each line) the first of those in it
#   "SyntaxError: …", "…Error: …"       Python without frames
#   "what():"                           exceptions of C++
#   "ERROR: …", "PROGRAM: error: …", "Class::function: …", FATAL   a text in one line

# The lines without colours, without the names of ranks that `mpirun --tag-output` and the like put before them,
# and without the line ends of Windows.
plain_lines() {
    LC_ALL=C sed -E $'s/\033\\[[0-9;]*[A-Za-z]//g; s/^\\[[^] ]*,[0-9]+]<std[a-z]+>: *//; s/^ *[0-9]{1,5}:( |$)//; s/\r$//'
}

# Who starts ranks and tells of their end, as a part of a pattern (for grep -E and awk).
starters_of_ranks() { echo "$(scheduler_programs)|mpirun|prterun|orterun"; }

# Reads the plain lines that a job wrote. Prints a line for each error, "KIND WHO said: TEXT", and the first of those
# that say most before the others. KIND is
#   stopped   the program stopped with this error
#   error     the program wrote an error
#   hint      an error that says little; printed only if there is no other
program_said() { # PROGRAM
    local who=$1
    [[ $who != relion* ]] || who=RELION
    LC_ALL=C awk -v program="$who" -v starters="$(starters_of_ranks)" '
        function shortened(text,    end, words) { # at a blank, or in a long word behind a whole character of UTF-8
            if (length(text) <= 300) return text
            for (end = 300; end > 296 && substr(text, end + 1, 1) ~ /[\200-\277]/; end--) { }
            words = text = substr(text, 1, end)
            sub(/ [^ ]*$/, "", words)
            return (length(words) >= 200 ? words : text) " ..."
        }
        function offer(who, text, kind) {
            gsub(hidden, " ", text)
            gsub(/│|╰|╯|─/, " ", text)
            sub(/^[ *]+/, "", text)
            while (sub(/^(KERNEL_)?(ERROR|Error|error) *[:!] */, "", text)) { }
            gsub(/  +/, " ", text)
            sub(/[ .:]+$/, "", text)
            text = shortened(text)
            if (text !~ /[A-Za-z][A-Za-z]/) return
            if (text ~ /^[A-Za-z_.]+$/ || text ~ little) kind = HINT
            text = kinds[kind] " " who " said: " text
            if (text in seen) return
            seen[text]
            said[++number] = text
            if (kind > best) { best = kind; first = number }
        }
        function finish() { # the statement that is being read
            offer(program, text, ignored ? HINT : STOPPED)
            state = text = last = ""
            ignored = 0
        }
        function behind(mark) { # the line without the mark with which it begins
            sub(mark, "", line)
            return line
        }
        function error_line() { # in one line
            if (line ~ /^(FATAL: |ERROR:  |ERROR  +:)/)
                offer("Apptainer", behind("^[A-Z]+ *:"), ERROR)
            else if (line ~ /what\(\): /)
                offer(program, behind("^.*what\\(\\): "), STOPPED)
            else if (line ~ /^ *\**(KERNEL_)?(ERROR|Error) *: *[^ ]/)
                offer(program, line, ERROR)
            else if (line ~ /^(SyntaxError|IndentationError|TabError): /)
                offer(program, line, STOPPED)
            else if (line ~ /^[A-Za-z_][A-Za-z0-9_.]*(Error|Exception): *[^ ]/)
                offer(program, line, ERROR)
            else if (line ~ /^[A-Za-z0-9_.\/-]+: error: / && line !~ "^(" starters "): ")
                offer(program, behind("^[^ ]+: error: "), ERROR)
            else if (line ~ /^[A-Za-z0-9_]+::[A-Za-z0-9_~]+.*(ERROR|error|annot|does not|not found)/)
                offer(program, line, ERROR)
            else if (line ~ /: error while loading shared libraries: |: version .[A-Za-z0-9_.]+. not found \(required by /)
                offer(program, line, ERROR)
            else if (line ~ system_error)
                offer(program, line, HINT)
        }
        BEGIN {
            HINT = 1; ERROR = 2; STOPPED = 3
            split("hint error stopped", kinds)
            # What is HIDDEN of dispatcher/printable.py, as bytes of UTF-8.
            hidden = "[\001-\037\177]|\302[\200-\237]|\330\234|\342\200[\216\217\250-\256]|\342\201[\246-\251]" \
                "|\355[\240-\277][\200-\277]"
            little = "^A GPU-function failed|^Errors encountered on the command|error (in )?execut" \
                "|wrong with system call|^This is a developer error|failed alignment, exiting|^exiting with an error" \
                "|^Error in ModelAngelo|^there was an error|ExceptionGroup: .*sub-exceptions?\\)"
            system_error = ": (command not found|No such file or directory|Permission denied|Read-only file system" \
                "|No space left on device|Disk quota exceeded)$"
            noise = "^ *in: |^[^ ]*, line [0-9]+$|=== *Backtrace|^Error in line: |^ *=+ *$|^ *-+ *$" \
                "|\\[0x[0-9a-f]+\\] *$|^\\[[^ ]+[]:]|MPI_ABORT|MPI_Abort|terminate called|RELION version" \
                "|exiting with an error|~~\\(,_,|^ *[0-9]+ *$|^(" starters ")"
        }
        {
            line = $0
            if (line ~ /Exception Group Traceback \(/) group = 1
            else if (group && line ~ /^ *\+-+[-+ 0-9.]*$/) { finish(); state = "traceback"; next }
            else if (group && !sub(/^ *\| ?/, "", line)) { finish(); group = 0 }
            blank = line ~ /^[ \t]*$/
        }
        /^Exception ignored in/ { finish(); ignored = 1; next }
        /Traceback \(most recent call last\)/ { if (state) finish(); state = "traceback"; next }
        state == "traceback" {
            if (blank || line ~ /^([ \t|]|│|╭|╰|├|During handling of|The above exception)/) next
            state = "exception"; text = line
            next
        }
        state == "exception" {
            if (line ~ /^(During handling of|The above exception)/) { state = text = ""; next }
            if (text ~ /:$/ && !blank) text = text " " line
            if (line !~ /ERROR: *$/ && line !~ noise) next
            finish()
        }
        line ~ /ERROR: *$/ {
            sub(/ERROR: *$/, "", line)
            if (state == "statement" && text == "" && line !~ noise) text = line # two ranks in one line
            finish(); state = "statement"
            next
        }
        /errors were encountered upon command-line parsing/ { finish(); state = "statement"; next }
        state == "statement" {
            if (blank && text == "" || line == last) next
            if (blank || line ~ noise || (text != "" && line ~ /^ *ERROR/) || length(text) > 250) finish()
            else { text = (text == "" ? "" : text " ") line; last = line; next }
        }
        line ~ noise { next }
        line ~ /^(╭|\+)(─|-)+ *Error/ { state = "statement"; next } # typer: an option that it cannot read
        { error_line() }
        END {
            finish()
            if (best) print said[first]
            for (each = 1; each <= number; each++) if (each != first && said[each] !~ /^hint /) print said[each]
        }'
}
