/* A policy that acts: cc act.c -lphalanx_policy -o act && ./act policy.phx */
#include <stdio.h>
#include <stdlib.h>

#include "phalanx_policy.h"

static void stop(const char *what) {
    fprintf(stderr, "%s: %s\n", what, phalanx_policy_error());
    exit(1);
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: %s POLICY\n", argv[0]);
        return 2;
    }
    PhalanxPolicy *policy = phalanx_policy_open(argv[1]);
    if (policy == NULL) {
        stop("phalanx_policy_open");
    }
    size_t inputs = phalanx_policy_inputs(policy), numbers = phalanx_policy_action_len(policy);
    printf("%zu input of %zu elements, %zu number an action\n", inputs, phalanx_policy_input_len(policy, 0), numbers);
    if (phalanx_policy_selftest(policy) != PHALANX_CODE_OK) {
        stop("phalanx_policy_selftest");
    }
    /* One pointer for each input; here all are floats. */
    const void **observation = calloc(inputs, sizeof *observation);
    float *action = calloc(numbers, sizeof *action);
    for (size_t i = 0; i < inputs; ++i) {
        observation[i] = calloc(phalanx_policy_input_len(policy, i), sizeof(float));
    }
    for (int step = 0; step < 3; ++step) {
        if (phalanx_policy_act(policy, 1, observation, action) != PHALANX_CODE_OK) {
            stop("phalanx_policy_act");
        }
        printf("step %d:", step);
        for (size_t i = 0; i < numbers; ++i) {
            printf(" %g", action[i]);
        }
        printf("\n");
    }
    /* The next episode begins. */
    phalanx_policy_reset(policy, 0);
    for (size_t i = 0; i < inputs; ++i) {
        free((void *)observation[i]);
    }
    free(observation);
    free(action);
    phalanx_policy_close(policy);
    return 0;
}
