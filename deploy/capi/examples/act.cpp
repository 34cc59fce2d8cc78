// A policy that acts: c++ -std=c++17 act.cpp -lphalanx_policy -o act && ./act policy.phx
#include <iostream>

#include "phalanx_policy.hpp"

int main(int argc, char **argv) {
    if (argc != 2) {
        std::cerr << "usage: " << argv[0] << " POLICY\n";
        return 2;
    }
    try {
        phalanx::Policy policy(argv[1]);
        std::cout << policy.inputs() << " input of " << policy.input_len(0) << " elements, " << policy.action_len()
                  << " number an action\n";
        policy.selftest();
        for (int step = 0; step < 3; ++step) {
            const auto action = policy.act(std::vector<double>(policy.input_len(0)));
            std::cout << "step " << step << ":";
            for (const double number : action) {
                std::cout << ' ' << number;
            }
            std::cout << '\n';
        }
        policy.reset();
        // Twenty actions that are drawn.
        uint64_t random = 1;
        for (int step = 0; step < 20; ++step) {
            const auto drawn = policy.sample(std::vector<double>(policy.input_len(0)), random);
            std::cout << "drawn " << drawn.action[0] << ", log probability " << drawn.log_prob[0] << '\n';
        }
    } catch (const phalanx::Error &error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
}
