/*
 * Gymnasium's CartPole-v1 with a third choice, no push, and without pushes outwards far from the middle: the masked task of
 * `cargo xtask peers`. masked_cartpole.py is the same in Python.
 *
 * cc -O2 -shared -fPIC -I envs/include scripts/peers/masked_cartpole.c -lm -o libmasked_cartpole.so
 */
#include <math.h>
#include <stdlib.h>

#include "phalanx_env.h"

enum { LEFT, NONE, RIGHT, CHOICES };
enum { STEPS = 500 };

static const double gravity = 9.8, pole_mass = 0.1, total_mass = 1.1, half_length = 0.5, pole_moment = 0.05;
static const double force = 10.0, tau = 0.02, position_limit = 2.4, angle_limit = 12 * 2 * 3.141592653589793 / 360;
/* Beyond it a cart is not pushed further outwards. */
static const double reach = 1.2;

typedef struct {
    double x, x_dot, theta, theta_dot;
    uint64_t generator;
    int steps;
} cart_pole;

/* Each field begins at a multiple of 8 bytes. */
typedef struct {
    _Alignas(8) float state[4];
    _Alignas(8) uint8_t mask[CHOICES];
} seen;

static int32_t create(const char *params, void **env)
{
    (void)params;
    *env = calloc(1, sizeof(cart_pole));
    return *env == NULL;
}

static void destroy(void *env)
{
    free(env);
}

static const uint32_t four[] = {4}, choices[] = {CHOICES};
static const float low[] = {-4.8f, -INFINITY, -0.41887903f, -INFINITY}, high[] = {4.8f, INFINITY, 0.41887903f, INFINITY};

static const phalanx_space *observation_space(void *env)
{
    (void)env;
    static const char *const names[] = {"observation", "action_mask"};
    static const phalanx_space parts[] = {
        {.kind = PHALANX_BOX_F32, .count = 1, .sizes = four, .bounds = 4, .low = low, .high = high},
        {.kind = PHALANX_MULTI_BINARY, .count = 1, .sizes = choices},
    };
    static const phalanx_space space = {.kind = PHALANX_DICT, .count = 2, .names = names, .parts = parts};
    return &space;
}

static const phalanx_space *action_space(void *env)
{
    (void)env;
    static const phalanx_space space = {.kind = PHALANX_DISCRETE, .count = 1, .sizes = choices};
    return &space;
}

static void observe(const cart_pole *self, seen *observation)
{
    observation->state[0] = (float)self->x;
    observation->state[1] = (float)self->x_dot;
    observation->state[2] = (float)self->theta;
    observation->state[3] = (float)self->theta_dot;
    observation->mask[LEFT] = self->x > -reach;
    observation->mask[NONE] = 1;
    observation->mask[RIGHT] = self->x < reach;
}

/* A number in -0.05..0.05, by splitmix64. */
static double start(uint64_t *generator)
{
    uint64_t z = (*generator += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    z ^= z >> 31;
    return (double)(z >> 11) * 0x1p-53 * 0.1 - 0.05;
}

static int32_t reset(void *env, const uint64_t *seed, void *observation)
{
    cart_pole *self = env;
    if (seed)
        self->generator = *seed;
    self->x = start(&self->generator);
    self->x_dot = start(&self->generator);
    self->theta = start(&self->generator);
    self->theta_dot = start(&self->generator);
    self->steps = 0;
    observe(self, observation);
    return 0;
}

static int32_t step(void *env, const void *action, void *observation, float *reward, int32_t *episode)
{
    cart_pole *self = env;
    double push = force * (double)(*(const int64_t *)action - NONE);
    double sine = sin(self->theta), cosine = cos(self->theta);
    double pushed = (push + pole_moment * self->theta_dot * self->theta_dot * sine) / total_mass;
    double theta_acc = (gravity * sine - cosine * pushed) / (half_length * (4.0 / 3.0 - pole_mass * cosine * cosine / total_mass));
    double x_acc = pushed - pole_moment * theta_acc * cosine / total_mass;
    self->x += tau * self->x_dot;
    self->x_dot += tau * x_acc;
    self->theta += tau * self->theta_dot;
    self->theta_dot += tau * theta_acc;
    self->steps++;
    observe(self, observation);
    *reward = 1;
    int fallen = fabs(self->x) > position_limit || fabs(self->theta) > angle_limit;
    *episode = fallen ? PHALANX_TERMINATED : self->steps == STEPS ? PHALANX_TRUNCATED : PHALANX_RUNNING;
    return 0;
}

static const char *error(void *env)
{
    (void)env;
    return "out of memory";
}

const phalanx_env_functions *phalanx_env(void)
{
    static const phalanx_env_functions functions = {
        PHALANX_ABI, sizeof(phalanx_env_functions), sizeof(phalanx_space), create, destroy, observation_space, action_space, reset, step, error, NULL, NULL,
    };
    return &functions;
}
