#include "output.h"

#include <stdio.h>

/* Words from the command table; one script, no start of posternctl at each key press. */
enum outcome ctl_completion(struct ctl *c)
{
    size_t nouns_count, count;
    const struct noun *nouns = noun_all(&nouns_count);
    const struct command *all = command_all(&count);

    if (strcmp(c->args[0], "bash") != 0)
        return ctl_fail(c, OUTCOME_USAGE, "completion is there for bash, not for '%s'", c->args[0]);
    printf("# bash completion of posternctl; made by `posternctl completion bash`\n"
           "_posternctl() {\n"
           "  local word=${COMP_WORDS[COMP_CWORD]} words=\n"
           "  if [[ $word == -* ]]; then words='");
    for (enum flag f = 0; f < FLAG_COUNT; f++)
        printf("--%s ", flag_row(f)->text);
    printf("'\n  elif [[ $COMP_CWORD == 1 ]]; then words='");
    for (size_t i = 0; i < nouns_count; i++)
        printf("%s ", nouns[i].word);
    for (size_t i = 0; i < count; i++)
        if (all[i].noun[0] == '\0')
            printf("%s ", all[i].verb);
    printf("help'\n  elif [[ $COMP_CWORD == 2 ]]; then case ${COMP_WORDS[1]} in\n");
    for (size_t n = 0; n < nouns_count; n++) {
        printf("    %s) words='", nouns[n].word);
        for (size_t i = 0; i < count; i++)
            if (strcmp(all[i].noun, nouns[n].word) == 0)
                printf("%s ", all[i].verb);
        printf("' ;;\n");
    }
    printf(
        "    completion) words=bash ;;\n"
        "    esac\n"
        "  else case ${COMP_WORDS[1]}.${COMP_WORDS[2]} in\n"
        "    user.create|*.list) ;;\n"
        "    user.*|key.create|token.issue) words=$(posternctl user list -o name 2>/dev/null) ;;\n"
        "    key.*) words=$(posternctl key list -o name 2>/dev/null) ;;\n"
        "    esac\n"
        "  fi\n"
        "  COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
        "}\n"
        "complete -o default -F _posternctl posternctl\n");
    return OUTCOME_OK;
}
