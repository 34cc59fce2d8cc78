/* Acts many times; prints by how many kilobytes the memory of the process grew meanwhile. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "phalanx_policy.h"

/* Of a policy of two floats and a number: the observation changes, and an episode begins at times. */
static int act(PhalanxPolicy *policy, long calls) {
    float observation[2] = {0, 0}, action[1];
    const void *inputs[1] = {observation};
    for (long call = 0; call < calls; ++call) {
        observation[0] = (float)(call % 7) - 3;
        if (phalanx_policy_act(policy, 1, inputs, action) != PHALANX_CODE_OK) {
            return 0;
        }
        if (call % 100 == 0 && phalanx_policy_reset(policy, 0) != PHALANX_CODE_OK) {
            return 0;
        }
        /* A failure and its message, which replaces the last one. */
        if (call % 1000 == 0 && phalanx_policy_reset(policy, (size_t)call + 1) != PHALANX_CODE_ARGUMENT) {
            return 0;
        }
    }
    return 1;
}

static long kilobytes(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

int main(int argc, char **argv) {
    PhalanxPolicy *policy = argc == 3 ? phalanx_policy_open(argv[1]) : NULL;
    if (policy == NULL || !act(policy, 2000)) {
        return 1;
    }
    const long before = kilobytes();
    if (!act(policy, atol(argv[2]))) {
        return 1;
    }
    printf("%ld\n", kilobytes() - before);
    phalanx_policy_close(policy);
    return 0;
}
