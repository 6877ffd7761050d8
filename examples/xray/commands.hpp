// SPDX-License-Identifier: MIT
#pragma once

#include "options.hpp"

namespace xray {

/// The three commands. They throw umsrep::error with one line when something is wrong with files or options.
void run(const train_options& options);
void run(const evaluate_options& options);
void run(const predict_options& options);

/// The signal that asked training to stop; 0: none did.
int stop_signal();

} // namespace xray
