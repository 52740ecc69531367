-- relion-dispatch for Lmod:  module use @PREFIX@/share/modulefiles; module load relion-dispatch
whatis("Version: @VERSION@")
whatis("Description: RELION's queue jobs in containers on this site's cluster")
help([[
Sets the queue command and template of RELION's window, and puts relion-dispatch in the PATH.
]])
prepend_path("PATH", "@PREFIX@/bin")
prepend_path("MANPATH", "@PREFIX@/share/man")
append_path("MANPATH", "") -- the system's own manual pages
setenv("RELION_QSUB_COMMAND", "@PREFIX@/bin/relion_dispatch.py")
setenv("RELION_QSUB_TEMPLATE", "@PREFIX@/share/relion_template.sh")
setenv("RELION_QUEUE_USE", "Yes")
-- The fields of RELION's window, which follow from site.json: `relion-dispatch site environment`.
-- What was set is noted, so that it can be taken back when site.json says something else by then.
local noted = "RELION_DISPATCH_LOADED"
if mode() == "unload" then
    for name in (os.getenv(noted) or ""):gmatch("[^:]+") do setenv(name, "") end
    setenv(noted, "")
else
    local site, names = os.getenv("RELION_DISPATCH_SITE") or "", {}
    if site == "" then site = "@PREFIX@/etc/relion-dispatch" end
    if not isDir(site) then site = "/etc/relion-dispatch" end
    local window = io.open(site .. "/window/window.txt")
    if window then
        for line in window:lines() do
            local how, name, value = line:match("^(%a+) ([%w_]+) (.*)$")
            if how == "always" or (how == "default" and not os.getenv(name)) then
                setenv(name, value)
                table.insert(names, name)
            end
        end
        window:close()
        setenv(noted, table.concat(names, ":"))
    end
end
