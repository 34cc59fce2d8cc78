/* An environment that takes its time: 50 ms to be made, 30 ms for a reset and, in the first worker that has made one, 5 ms for a step. With
   the parameter "crash" it takes none, and every process ends at its thirteenth step. Each step appends the number of its process to the
   file `trace`. */
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "phalanx_env.h"

typedef struct {
    int crash;
    int64_t steps;
} slow;

static int first = -1, steps_of_process;

static int32_t create(const char *params, void **env)
{
    slow *self = calloc(1, sizeof *self);
    self->crash = strstr(params, "crash") != NULL;
    if (!self->crash)
        usleep(50000);
    if (first < 0)
        first = open("first", O_CREAT | O_EXCL, 0600) >= 0;
    *env = self;
    return 0;
}

static const phalanx_space *observation_space(void *env)
{
    static const phalanx_space space = {PHALANX_BOX_F32, 0, NULL, 0, NULL, NULL};
    (void)env;
    return &space;
}

static const phalanx_space *action_space(void *env)
{
    static const uint32_t sizes[] = {2};
    static const phalanx_space space = {PHALANX_DISCRETE, 1, sizes, 0, NULL, NULL};
    (void)env;
    return &space;
}

static int32_t reset(void *env, const uint64_t *seed, void *observation)
{
    slow *self = env;
    (void)seed;
    if (!self->crash)
        usleep(30000);
    self->steps = 0;
    *(float *)observation = 0;
    return 0;
}

static int32_t step(void *env, const void *action, void *observation, float *reward, int32_t *episode)
{
    slow *self = env;
    FILE *trace = fopen("trace", "a");
    (void)action;
    if (trace) {
        fprintf(trace, "%d\n", (int)getpid());
        fclose(trace);
    }
    if (self->crash && ++steps_of_process == 13)
        _exit(3);
    if (!self->crash && first)
        usleep(5000);
    *(float *)observation = (float)++self->steps;
    *reward = 1;
    *episode = self->steps == 8;
    return 0;
}

static const char *error(void *env)
{
    (void)env;
    return NULL;
}

const phalanx_env_functions *phalanx_env(void)
{
    static const phalanx_env_functions functions = {
        PHALANX_ABI, sizeof(phalanx_env_functions), sizeof(phalanx_space), create, free, observation_space, action_space,
        reset, step, error, NULL, NULL,
    };
    return &functions;
}
