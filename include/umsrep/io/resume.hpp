// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include <umsrep/io/checkpoint.hpp>
#include <umsrep/train/options.hpp>

namespace umsrep::io {

/// Makes a run of `fit` or `pretrain` resumable; their last argument, `setup`. Each run has its checkpoint in `folder`, called
/// "checkpoint.safetensors", or "checkpoint.phase2.lungs.safetensors" after the run; one that is there is gone on from, and those that were
/// finished are only read. The model must be built as it was the first time. `run` describes what the trainer does not know (data, loader), as for
/// save_checkpoint.
struct resumable {
    std::filesystem::path folder;
    std::string run;

    template <class Trainer>
    void operator()(Trainer& t, fit_options& o, std::string_view name) const {
        const std::filesystem::path file = folder / ("checkpoint" + (name.empty() ? "" : "." + std::string(name)) + ".safetensors");
        if (std::filesystem::exists(file)) load_checkpoint(t, file, run);
        o.on_checkpoint = [&t, file, run = run, also = o.on_checkpoint] {
            save_checkpoint(t, file, run);
            if (also) also();
        };
    }
};

} // namespace umsrep::io
