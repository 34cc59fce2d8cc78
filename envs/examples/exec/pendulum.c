/*
 * A pendulum to be swung up by a motor: observation cos, sin and speed of its angle, 200 steps an episode.
 *
 * cc -O2 envs/examples/exec/pendulum.c -lm -o pendulum
 * phalanx envs check exec:./pendulum
 */
#define _POSIX_C_SOURCE 200809L
#include <math.h>

#include "phalanx_client.h"

static const float time_step = 0.05f, top_speed = 8, top_torque = 2, gravity = 9.81f;
static float angle, speed; /* rad from upright, rad/s */
static uint64_t generator;

/* Uniform in -1..1: the upper bits of a linear congruential generator. */
static float uniform(void)
{
    generator = generator * 6364136223846793005u + 1442695040888963407u;
    return (float)(generator >> 40) / (1 << 23) - 1;
}

static void put_observation(void)
{
    float shown[] = {cosf(angle), sinf(angle), speed};
    phalanx_put(shown, sizeof shown);
}

static void put_spaces(void)
{
    uint32_t version = 1, three = 3, one = 1;
    uint8_t draws = 0;
    float high[] = {1, 1, top_speed}, low[] = {-1, -1, -top_speed}, least = -top_torque;
    phalanx_put(&version, 4);
    phalanx_put(&draws, 1);
    phalanx_put_space(PHALANX_BOX_F32, 1, &three, 3, low, high);
    phalanx_put_space(PHALANX_BOX_F32, 1, &one, 1, &least, &top_torque);
}

int main(void)
{
    int steps = 0;
    phalanx_open();
    for (;;) {
        int kind = phalanx_next();
        if (kind == PHALANX_CREATE) {
            put_spaces();
        } else if (kind == PHALANX_RESET) {
            if (phalanx_message[0])
                memcpy(&generator, phalanx_message + 1, 8);
            angle = 3.14159265f * uniform();
            speed = uniform();
            steps = 0;
            put_observation();
        } else if (kind == PHALANX_STEP) {
            float torque, reward;
            memcpy(&torque, phalanx_message, 4);
            reward = -(angle * angle + 0.1f * speed * speed + 0.001f * torque * torque);
            speed += (1.5f * gravity * sinf(angle) + 3 * torque) * time_step;
            speed = fminf(fmaxf(speed, -top_speed), top_speed);
            angle = remainderf(angle + speed * time_step, 2 * 3.14159265f);
            uint8_t episode = ++steps == 200 ? PHALANX_TRUNCATED : PHALANX_RUNNING;
            phalanx_put(&reward, 4);
            phalanx_put(&episode, 1);
            put_observation();
        } else if (kind == PHALANX_CLOSE) {
            return 0;
        } else {
            phalanx_error("it does not do that");
            continue;
        }
        phalanx_answer((uint8_t)kind);
    }
}
