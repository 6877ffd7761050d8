// SPDX-License-Identifier: MIT
#include <algorithm>
#include <iostream>
#include <system_error>

#include <device/device.hpp>
#include <umsrep/core/error.hpp>
#include <umsrep/report/table.hpp>

#include "commands.hpp"
#include "evaluate.hpp"

namespace doppler {

void run(const train_options& o) {
    const auto model = o.out / "model.safetensors";
    if (std::filesystem::exists(model) && !o.force)
        throw umsrep::option_error(model.string() + ": is there already; --force overwrites it");

    session net{o.size, o.seed, {device::choose(o.device), o.threads, o.plans}};
    std::cerr << "computed by " + net.computed_by() + '\n';
    const auto batch = static_cast<std::size_t>(o.how.batch);
    umsrep::data::loader train{samples(o.data, "train", o.size), batch, net.image(), net.targets(),
                               {.random = umsrep::derived_seed(umsrep::seed{o.seed}, "data"), .later = true}};
    umsrep::data::loader valid{samples(o.data, "val", o.size), batch, net.image(), net.targets(), {.shuffle = false}};
    const auto test = records(o.data, "test", o.size);

    // Everything is read and checked before the first file is written.
    std::error_code failure;
    std::filesystem::create_directories(o.out, failure);
    if (failure) throw umsrep::file_error(o.out.string() + ": cannot be made a folder: " + failure.message());
    training how = o.how;
    how.on_epoch = [&](const umsrep::epoch_record& r) {
        std::cerr << "epoch " << r.epoch << '/' << how.epochs << ", " << umsrep::report::number(r.seconds, 0) << " s, validation:";
        for (const double loss : r.valid_loss) std::cerr << ' ' << umsrep::report::number(loss, 4);
        std::cerr << (r.best ? " (best so far)" : "") << '\n';
    };
    const umsrep::history past = net.train(how, train, valid);
    net.save(model);

    nlohmann::ordered_json metrics = evaluate(net, test);
    double seconds = 0;
    for (const umsrep::epoch_record& e : past.epochs) seconds += e.seconds;
    metrics["run"] = {{"size", o.size},   {"strategy", how.strategy}, {"epochs", how.epochs},
                      {"batch", how.batch}, {"seed", o.seed},         {"seconds", seconds},
                      {"computed_by", net.computed_by()}};
    write_json(o.out / "metrics.json", metrics);
    std::cout << summary(metrics);
}

} // namespace doppler
