// A point mass in a square that is pushed towards its middle: reward is minus the distance, 200 steps an episode.
// It draws itself, and answers to `position`.
//
// c++ -std=c++17 -O2 -shared -fPIC -I envs/include envs/examples/c/point_mass.cpp -o libpoint_mass.so

#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>
#include <random>
#include <string>

#include "phalanx_env.h"

namespace {

constexpr float time_step = 0.05f, top_speed = 2;
constexpr uint32_t side = 96;

constexpr uint32_t two = 2, four = 4;
constexpr float observation_high[] = {1, 1, top_speed, top_speed};
constexpr float observation_low[] = {-1, -1, -top_speed, -top_speed};
constexpr float push = 1, pull = -1;
constexpr phalanx_space observations{PHALANX_BOX_F32, 1, &four, 4, observation_low, observation_high, nullptr, nullptr};
constexpr phalanx_space actions{PHALANX_BOX_F32, 1, &two, 1, &pull, &push, nullptr, nullptr};

class PointMass {
public:
    void reset(const uint64_t *seed, float *observation)
    {
        if (seed)
            random.seed(*seed);
        // Not std::uniform_real_distribution, whose numbers are each library's own.
        for (float &x : position)
            x = static_cast<float>(random() >> 40) / (1 << 23) - 1;
        velocity[0] = velocity[1] = 0;
        steps = 0;
        show(observation);
    }

    int32_t step(const float *force, float *observation, float *reward)
    {
        for (int axis = 0; axis < 2; ++axis) {
            velocity[axis] = std::clamp(velocity[axis] + force[axis] * time_step, -top_speed, top_speed);
            position[axis] += velocity[axis] * time_step;
            if (std::abs(position[axis]) > 1) {
                position[axis] = std::copysign(1.0f, position[axis]);
                velocity[axis] = 0;
            }
        }
        show(observation);
        *reward = -std::sqrt(position[0] * position[0] + position[1] * position[1]);
        return ++steps == 200 ? PHALANX_TRUNCATED : PHALANX_RUNNING;
    }

    void draw(uint8_t *rgb) const
    {
        std::memset(rgb, 255, 3 * side * side);
        for (uint32_t y = 0; y < side; ++y)
            for (uint32_t x = 0; x < side; ++x)
                if (std::hypot(x - at(position[0]), y - at(-position[1])) < 4)
                    std::memset(rgb + 3 * (y * side + x), 40, 3);
    }

    const char *where()
    {
        answer = "[" + std::to_string(position[0]) + "," + std::to_string(position[1]) + "]";
        return answer.c_str();
    }

private:
    std::mt19937_64 random;
    float position[2] = {}, velocity[2] = {};
    int steps = 0;
    std::string answer;

    void show(float *observation) const
    {
        std::copy_n(position, 2, observation);
        std::copy_n(velocity, 2, observation + 2);
    }

    static float at(float coordinate) { return (coordinate + 1) / 2 * (side - 1); }
};

PointMass &self(void *env)
{
    return *static_cast<PointMass *>(env);
}

} // namespace

extern "C" const phalanx_env_functions *phalanx_env(void)
{
    static const phalanx_env_functions functions{
        PHALANX_ABI,
        sizeof(phalanx_env_functions),
        sizeof(phalanx_space),
        /* create */ [](const char *, void **env) -> int32_t { return (*env = new (std::nothrow) PointMass) ? 0 : 1; },
        /* destroy */ [](void *env) { delete &self(env); },
        /* observation_space */ [](void *) { return &observations; },
        /* action_space */ [](void *) { return &actions; },
        /* reset */
        [](void *env, const uint64_t *seed, void *observation) -> int32_t {
            self(env).reset(seed, static_cast<float *>(observation));
            return 0;
        },
        /* step */
        [](void *env, const void *action, void *observation, float *reward, int32_t *episode) -> int32_t {
            *episode = self(env).step(static_cast<const float *>(action), static_cast<float *>(observation), reward);
            return 0;
        },
        /* error */ [](void *) -> const char * { return nullptr; },
        /* render */
        [](void *env, uint32_t *width, uint32_t *height, uint8_t *rgb) -> int32_t {
            *width = *height = side;
            if (rgb)
                self(env).draw(rgb);
            return 0;
        },
        /* call */
        [](void *env, const char *name, const char *, const char **answer) -> int32_t {
            if (std::strcmp(name, "units") == 0)
                *answer = "{\"observation\": [\"m\", \"m\", \"m/s\", \"m/s\"], \"action\": \"N\"}";
            else if (std::strcmp(name, "position") == 0)
                *answer = self(env).where();
            else
                return PHALANX_NO_METHOD;
            return 0;
        },
    };
    return &functions;
}
