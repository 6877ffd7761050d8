// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

/// What --device means in the example programs.
namespace device {

inline const std::vector<std::string> names{"cpu", "cuda", "auto"};
inline constexpr const char* help =
    "What computes: cpu, cuda (an NVIDIA GPU), or auto: the GPU where one can be used. Results differ in their last digits";

/// And --plans.
inline const std::vector<std::string> plan_names{"measured", "first"};
inline constexpr const char* plans_help =
    "Which of cuDNN's plans cuda takes: the fastest as measured, which makes a first run longer, or the first that is proposed";

/// "cpu" or "cuda". "auto" is said on the standard error with what was chosen and why. Throws umsrep::device_error where cuda is asked for
/// and cannot be had, with the reason.
std::string choose(const std::string& asked);

/// On the standard error, once in a program.
void note(const std::string& problem);

} // namespace device
