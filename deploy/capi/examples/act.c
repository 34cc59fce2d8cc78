/* A policy that acts: cc act.c -lphalanx_policy -o act && ./act policy.phx */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "phalanx_policy.h"

static void stop(const char *what) {
    fprintf(stderr, "%s: %s\n", what, phalanx_policy_error());
    exit(1);
}

/* Whether an input is an action mask, by its name: the description lists the parts of an observation in the order of the inputs. */
static int is_mask(const PhalanxPolicy *policy, size_t input) {
    const char *name = strstr(phalanx_policy_description(policy), "\"observation\":[");
    for (size_t i = 0; name != NULL && i <= input; ++i) {
        name = strstr(name + 1, "\"name\":\"");
    }
    const char *part = name == NULL ? NULL : strstr(name, "action_mask");
    return part != NULL && part < strchr(name, ',');
}

/* An observation of zeros, of which nothing is forbidden: in a mask, 1 is a legal option. */
static void *observe(const PhalanxPolicy *policy, size_t input) {
    size_t len = phalanx_policy_input_len(policy, input);
    float *floats = calloc(len, sizeof *floats);
    unsigned char *bytes = (unsigned char *)floats;
    for (size_t i = 0; is_mask(policy, input) && i < len; ++i) {
        if (phalanx_policy_input_is_bytes(policy, input)) {
            bytes[i] = 1;
        } else {
            floats[i] = 1.0f;
        }
    }
    return floats;
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
    /* One pointer for each input: to floats, or to bytes. */
    const void **observation = calloc(inputs, sizeof *observation);
    float *action = calloc(numbers, sizeof *action);
    for (size_t i = 0; i < inputs; ++i) {
        observation[i] = observe(policy, i);
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
    /* The next episode begins, with twenty actions that are drawn. */
    phalanx_policy_reset(policy, 0);
    uint64_t random = 1;
    for (int step = 0; step < 20; ++step) {
        float log_prob;
        if (phalanx_policy_sample(policy, 1, observation, &random, action, &log_prob) != PHALANX_CODE_OK) {
            stop("phalanx_policy_sample");
        }
        printf("drawn %g, log probability %g\n", action[0], log_prob);
    }
    for (size_t i = 0; i < inputs; ++i) {
        free((void *)observation[i]);
    }
    free(observation);
    free(action);
    phalanx_policy_close(policy);
    return 0;
}
