/*
 * A car with three gears and a throttle: observations and actions of several fields, and a mask. The speed grows with gear and throttle, and
 * only gears beside the present one can be chosen. The reward is the speed; an episode has 50 steps.
 *
 * cc -O2 -shared -fPIC -I envs/include envs/examples/c/gearbox.c -o libgearbox.so
 */
#include <stdlib.h>
#include <string.h>

#include "phalanx_env.h"

enum { GEARS = 3, STEPS = 50 };

typedef struct {
    int64_t gear;
    double speed;
    int steps;
} car;

/* Each field begins at a multiple of 8 bytes. */
typedef struct {
    _Alignas(8) uint8_t lamps[GEARS];
    _Alignas(8) double speed;
    _Alignas(8) uint8_t mask[GEARS];
} seen;

/* Choices first, then numbers. */
typedef struct {
    int64_t gear;
    float throttle;
} taken;

static int32_t create(const char *params, void **env)
{
    (void)params;
    *env = calloc(1, sizeof(car));
    return *env == NULL;
}

static void destroy(void *env)
{
    free(env);
}

static const uint32_t one[] = {1}, gears[] = {GEARS};
static const float zero[] = {0}, unit[] = {1}, fastest[] = {3};

static const phalanx_space *observation_space(void *env)
{
    (void)env;
    static const char *const names[] = {"lamps", "speed", "action_mask"};
    static const phalanx_space parts[] = {
        {.kind = PHALANX_MULTI_BINARY, .count = 1, .sizes = gears},
        {.kind = PHALANX_BOX_F64, .count = 1, .sizes = one, .bounds = 1, .low = zero, .high = fastest},
        {.kind = PHALANX_MULTI_BINARY, .count = 1, .sizes = gears},
    };
    static const phalanx_space space = {.kind = PHALANX_DICT, .count = 3, .names = names, .parts = parts};
    return &space;
}

static const phalanx_space *action_space(void *env)
{
    (void)env;
    static const char *const names[] = {"gear", "throttle"};
    static const phalanx_space parts[] = {
        {.kind = PHALANX_DISCRETE, .count = 1, .sizes = gears},
        {.kind = PHALANX_BOX_F32, .count = 1, .sizes = one, .bounds = 1, .low = zero, .high = unit},
    };
    static const phalanx_space space = {.kind = PHALANX_DICT, .count = 2, .names = names, .parts = parts};
    return &space;
}

static void observe(const car *self, seen *observation)
{
    for (int64_t gear = 0; gear < GEARS; gear++) {
        observation->lamps[gear] = gear == self->gear;
        observation->mask[gear] = llabs(gear - self->gear) <= 1;
    }
    observation->speed = self->speed;
}

static int32_t reset(void *env, const uint64_t *seed, void *observation)
{
    car *self = env;
    /* The seed chooses the first gear, the lower two being as likely. */
    int64_t first = seed ? (int64_t)(*seed % 2) : self->gear % 2;
    *self = (car){.gear = first};
    observe(self, observation);
    return 0;
}

static int32_t step(void *env, const void *action, void *observation, float *reward, int32_t *episode)
{
    car *self = env;
    const taken *chosen = action;
    if (llabs(chosen->gear - self->gear) > 1)
        return 1;
    self->gear = chosen->gear;
    double wanted = (double)self->gear * chosen->throttle;
    self->speed += 0.5 * (wanted - self->speed);
    observe(self, observation);
    *reward = (float)self->speed;
    *episode = ++self->steps == STEPS ? PHALANX_TRUNCATED : PHALANX_RUNNING;
    return 0;
}

static const char *error(void *env)
{
    (void)env;
    return "this gear is not beside the present one";
}

const phalanx_env_functions *phalanx_env(void)
{
    static const phalanx_env_functions functions = {
        PHALANX_ABI, sizeof(phalanx_env_functions), sizeof(phalanx_space), create, destroy, observation_space, action_space, reset, step, error, NULL, NULL,
    };
    return &functions;
}
