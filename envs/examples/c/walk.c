/*
 * A walk along a line: -0.1 for each step, 1 for arriving at `length`, truncated after 200 steps. The parameter `length` is 5
 * unless said.
 *
 * cc -O2 -shared -fPIC -I envs/include envs/examples/c/walk.c -o libwalk.so
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "phalanx_env.h"

typedef struct {
    uint64_t random;
    float length, position;
    int steps;
    float low[1], high[1];
    uint32_t one, choices;
    phalanx_space observation_space, action_space;
} walk;

/* Why the last create failed: there is no environment yet that could keep it. */
static _Thread_local char refused[80];

/* The number after "name": in flat JSON. A library with more parameters takes a JSON parser along. */
static float number(const char *params, const char *name, float otherwise)
{
    char key[32];
    snprintf(key, sizeof key, "\"%s\":", name);
    const char *at = strstr(params, key);
    return at ? strtof(at + strlen(key), NULL) : otherwise;
}

static int32_t create(const char *params, void **env)
{
    float length = number(params, "length", 5);
    if (!(length >= 1 && length <= 1000)) {
        snprintf(refused, sizeof refused, "length is %g: it lies within 1 and 1000", length);
        return 1;
    }
    walk *self = calloc(1, sizeof *self);
    if (!self)
        return 2;
    self->length = length;
    self->low[0] = -length;
    self->high[0] = length;
    self->one = 1;
    self->choices = 2;
    self->observation_space = (phalanx_space){PHALANX_BOX_F32, 1, &self->one, 1, self->low, self->high, NULL, NULL};
    self->action_space = (phalanx_space){.kind = PHALANX_DISCRETE, .count = 1, .sizes = &self->choices};
    *env = self;
    return 0;
}

static void destroy(void *env)
{
    free(env);
}

static const phalanx_space *observation_space(void *env)
{
    return &((walk *)env)->observation_space;
}

static const phalanx_space *action_space(void *env)
{
    return &((walk *)env)->action_space;
}

static int32_t reset(void *env, const uint64_t *seed, void *observation)
{
    walk *self = env;
    if (seed)
        self->random = *seed;
    /* A linear congruential generator; its upper bits are the good ones. */
    self->random = self->random * 6364136223846793005u + 1442695040888963407u;
    self->position = -self->length * (float)(self->random >> 40) / (1 << 24);
    self->steps = 0;
    *(float *)observation = self->position;
    return 0;
}

static int32_t step(void *env, const void *action, void *observation, float *reward, int32_t *episode)
{
    walk *self = env;
    self->position += *(const int64_t *)action == 1 ? 1 : -1;
    if (self->position < -self->length)
        self->position = -self->length;
    int arrived = self->position >= self->length;
    if (arrived)
        self->position = self->length;
    *(float *)observation = self->position;
    *reward = arrived ? 1 : -0.1f;
    *episode = ++self->steps == 200 ? PHALANX_TRUNCATED : PHALANX_RUNNING;
    if (arrived)
        *episode = PHALANX_TERMINATED;
    return 0;
}

static const char *error(void *env)
{
    return env ? NULL : refused;
}

const phalanx_env_functions *phalanx_env(void)
{
    static const phalanx_env_functions functions = {
        .abi = PHALANX_ABI,
        .size = sizeof(phalanx_env_functions),
        .space_size = sizeof(phalanx_space),
        .create = create,
        .destroy = destroy,
        .observation_space = observation_space,
        .action_space = action_space,
        .reset = reset,
        .step = step,
        .error = error,
    };
    return &functions;
}
