/* How long a policy takes: `speed policy.phx [ROWS]` prints the least microseconds of a call and of a row, over seven tries.
 * For policies with one input of floats. */
#define _POSIX_C_SOURCE 199309L

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "phalanx_policy.h"

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

int main(int arguments, char **argument) {
    PhalanxPolicy *policy = arguments > 1 ? phalanx_policy_open(argument[1]) : NULL;
    size_t rows = arguments > 2 ? (size_t)atol(argument[2]) : 1, calls = 400000 / rows + 2, i;
    size_t inputs, numbers;
    float *observation, *action;
    const void *input[1];
    double least = 1e9;
    int try;
    if (!policy) {
        fprintf(stderr, "usage: speed policy.phx [ROWS]; %s\n", phalanx_policy_error());
        return 1;
    }
    inputs = rows * phalanx_policy_input_len(policy, 0);
    numbers = rows * phalanx_policy_action_len(policy);
    observation = malloc(inputs * sizeof *observation);
    action = malloc(numbers * sizeof *action);
    if (!observation || !action || phalanx_policy_set_rows(policy, rows)) return 1;
    for (i = 0; i < inputs; i++) observation[i] = 0.01f * (float)(i * 7 % 13) - 0.05f;
    input[0] = observation;
    for (try = 0; try < 7; try++) {
        double start = now();
        for (i = 0; i < calls; i++) {
            observation[0] = 1e-4f * (float)(i % 100);
            if (phalanx_policy_act(policy, rows, input, action)) {
                fprintf(stderr, "%s\n", phalanx_policy_error());
                return 1;
            }
        }
        start = (now() - start) / (double)calls;
        if (start < least) least = start;
    }
    printf("%zu rows: %.3f us a call, %.3f us a row\n", rows, 1e6 * least, 1e6 * least / (double)rows);
    free(observation);
    free(action);
    phalanx_policy_close(policy);
    return 0;
}
