/* A library that fails as its parameter "fault" says; a whole one counts its steps. Built with -D for what is wrong as a whole. */
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "phalanx_env.h"

#ifndef ABI
#define ABI PHALANX_ABI
#endif
#ifndef SIZE
#define SIZE sizeof(phalanx_env_functions)
#endif
#ifndef SPACE
#define SPACE sizeof(phalanx_space)
#endif
#ifndef STEP
#define STEP step
#endif
#ifndef ENTRY
#define ENTRY phalanx_env
#endif

typedef struct {
    char fault[64];
    int64_t steps;
} faulty;

static int has(const faulty *self, const char *fault)
{
    return strstr(self->fault, fault) != NULL;
}

static int32_t create(const char *params, void **env)
{
    faulty *self = calloc(1, sizeof *self);
    strncpy(self->fault, params, sizeof self->fault - 1);
    if (has(self, "create")) {
        free(self);
        return 7;
    }
    *env = self;
    return 0;
}

static void destroy(void *env)
{
    free(env);
}

static const phalanx_space *observation_space(void *env)
{
    static const uint32_t sizes[] = {2, 3}, vast[] = {70000, 70000}, nothing[] = {0};
    static const float zero[] = {0, 0, 0}, nan[] = {NAN};
    static const phalanx_space fine = {PHALANX_BOX_F32, 0, NULL, 0, NULL, NULL, NULL, NULL};
    static const phalanx_space choice = {PHALANX_DISCRETE, 1, nothing, 0, NULL, NULL, NULL, NULL};
    static const phalanx_space unknown = {9, 1, sizes, 0, NULL, NULL, NULL, NULL};
    static const phalanx_space too_big = {PHALANX_BOX_U8, 2, vast, 0, NULL, NULL, NULL, NULL};
    static const phalanx_space no_low = {PHALANX_BOX_F32, 2, sizes, 1, NULL, zero, NULL, NULL};
    static const phalanx_space three = {PHALANX_BOX_F32, 2, sizes, 3, zero, zero, NULL, NULL};
    static const phalanx_space not_a_bound = {PHALANX_BOX_F32, 2, sizes, 1, nan, zero, NULL, NULL};
    const faulty *self = env;
    return has(self, "null space")    ? NULL
           : has(self, "choice")      ? &choice
           : has(self, "unknown")     ? &unknown
           : has(self, "too big")     ? &too_big
           : has(self, "no low")      ? &no_low
           : has(self, "three")       ? &three
           : has(self, "not a bound") ? &not_a_bound
                                      : &fine;
}

static const phalanx_space *action_space(void *env)
{
    static const uint32_t sizes[] = {3, 0};
    static const phalanx_space fine = {PHALANX_DISCRETE, 1, sizes, 0, NULL, NULL, NULL, NULL};
    static const phalanx_space nothing = {PHALANX_MULTI_DISCRETE, 2, sizes, 0, NULL, NULL, NULL, NULL};
    static const phalanx_space bytes = {PHALANX_BOX_U8, 1, sizes, 0, NULL, NULL, NULL, NULL};
    return has(env, "nothing to choose") ? &nothing : has(env, "bytes") ? &bytes : &fine;
}

static int32_t reset(void *env, const uint64_t *seed, void *observation)
{
    (void)seed;
    if (has(env, "reset"))
        return 3;
    ((faulty *)env)->steps = 0;
    *(float *)observation = 0;
    return 0;
}

static int32_t step(void *env, const void *action, void *observation, float *reward, int32_t *episode)
{
    faulty *self = env;
    (void)action;
    if (self->steps == 3) {
        if (has(self, "segfault"))
            *(volatile int *)8 = 0;
        if (has(self, "leave"))
            exit(0);
        if (has(self, "hang"))
            for (;;)
                pause();
        if (has(self, "step"))
            return 5;
    }
    *(float *)observation = (float)++self->steps;
    *reward = 1;
    *episode = has(self, "status") ? 3 : self->steps == 5;
    return 0;
}

static const char *error(void *env)
{
    return env ? ((faulty *)env)->steps ? "the belt slipped" : NULL : "the key is missing";
}

static int32_t call(void *env, const char *name, const char *arguments, const char **answer)
{
    (void)env;
    if (strcmp(name, "echo") == 0)
        *answer = arguments;
    else if (strcmp(name, "torn") == 0)
        *answer = "[1,";
    else if (strcmp(name, "mute") != 0)
        return PHALANX_NO_METHOD;
    return 0;
}

const phalanx_env_functions *ENTRY(void)
{
    static const phalanx_env_functions functions = {
        ABI, SIZE, SPACE, create, destroy, observation_space, action_space, reset, STEP, error, NULL, call,
    };
    return &functions;
}
