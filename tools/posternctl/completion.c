/* posternctl completion: each shell's script asks `posternctl __complete`, so it never ages. */
#include "output.h"

static const struct {
    const char *shell, *script;
} scripts[] = {
    {"bash", "# bash completion of posternctl; made by: posternctl completion bash\n"
             "_posternctl() {\n"
             "  local IFS=$'\\n'\n"
             "  COMPREPLY=($(\"${COMP_WORDS[0]}\" __complete \"${COMP_WORDS[@]:1:COMP_CWORD}\" "
             "2>/dev/null))\n"
             "}\n"
             "complete -o default -F _posternctl posternctl\n"},
    {"zsh", "#compdef posternctl\n"
            "# zsh completion of posternctl; made by: posternctl completion zsh\n"
            "_posternctl() {\n"
            "  local -a found\n"
            "  found=(${(f)\"$(${words[1]} __complete \"${(@)words[2,CURRENT]}\" 2>/dev/null)\"})\n"
            "  if (( ${#found} )); then compadd -a found; else _files; fi\n"
            "}\n"
            "if [ \"$funcstack[1]\" = _posternctl ]; then _posternctl \"$@\"; else compdef "
            "_posternctl posternctl; fi\n"},
    {"fish", "# fish completion of posternctl; made by: posternctl completion fish\n"
             "complete -c posternctl -a '(posternctl __complete (commandline -opc)[2..-1] "
             "(commandline -ct) 2>/dev/null)'\n"},
};

enum outcome ctl_completion(struct ctl *c)
{
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++)
        if (strcmp(scripts[i].shell, c->args[0]) == 0) {
            output_text(slice_str(scripts[i].script));
            return OUTCOME_OK;
        }
    return ctl_fail(c, OUTCOME_USAGE, "completion is there for bash, zsh and fish, not for '%s'",
                    c->args[0]);
}
