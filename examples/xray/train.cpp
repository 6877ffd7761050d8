// SPDX-License-Identifier: MIT
#include <chrono>
#include <cmath>
#include <csignal>
#include <iostream>
#include <memory>
#include <numeric>
#include <optional>

#include <device/device.hpp>
#include <umsrep/io/image.hpp>
#include <umsrep/report/progress.hpp>

#include "commands.hpp"
#include "evaluate.hpp"
#include "run_folder.hpp"

namespace xray {

namespace report = umsrep::report;

namespace {

volatile std::sig_atomic_t stop_asked = 0;

/// Ctrl-C or SIGTERM asks for a stop while this lives; a second one stops at once.
struct interrupt_guard {
    interrupt_guard() {
        for (const int signal : {SIGINT, SIGTERM})
            std::signal(signal, [](int received) {
                stop_asked = received;
                std::signal(received, SIG_DFL);
            });
    }
    ~interrupt_guard() {
        for (const int signal : {SIGINT, SIGTERM}) std::signal(signal, SIG_DFL);
    }
    interrupt_guard(const interrupt_guard&) = delete;
    interrupt_guard& operator=(const interrupt_guard&) = delete;
};

std::vector<report::named_value> named(const std::vector<double>& losses) {
    std::vector<report::named_value> values;
    for (std::size_t h = 0; h < losses.size(); ++h)
        if (!std::isnan(losses[h])) values.push_back({std::string{head_names[h]}, losses[h]});
    return values;
}

/// Shows a person how training goes: a bar for each epoch, and a line when it ends.
class training_display {
public:
    training_display(std::size_t batch, int epochs) : batch_{batch}, epochs_{epochs} {}

    void batch(const umsrep::batch_report& r, std::string_view task) {
        if (!bar_)
            bar_ = std::make_unique<report::progress>(stderr, report::progress_options{.title = title(r.epoch, task), .total = r.batches * batch_,
                                                                                       .done = (r.batch - 1) * batch_});
        // Losses jump from batch to batch; their running mean is what a person can read.
        if (mean_.empty()) mean_ = *r.loss;
        for (std::size_t h = 0; h < mean_.size(); ++h)
            if (const double now = (*r.loss)[h]; !std::isnan(now)) mean_[h] = std::isnan(mean_[h]) ? now : 0.95 * mean_[h] + 0.05 * now;
        bar_->advance(batch_, named(mean_));
        images_ += r.samples;
    }

    void epoch(const umsrep::epoch_record& r, std::string_view task) {
        if (bar_) bar_->finish();
        bar_.reset();
        mean_.clear();
        std::string line = title(r.epoch, task) + "  validation:";
        for (const auto& [name, value] : named(r.valid_loss)) line += " " + name + " " + report::number(value, 4);
        std::cerr << line << (r.best ? "  (best so far)" : "") << '\n';
    }

    std::size_t images() const { return images_; }

private:
    std::string title(int epoch, std::string_view task) const {
        return (task.empty() ? "" : std::string{task} + ": ") + "epoch " + std::to_string(epoch) + "/" + std::to_string(epochs_);
    }

    std::size_t batch_, images_ = 0;
    int epochs_;
    std::unique_ptr<report::progress> bar_;
    std::vector<double> mean_;
};

/// Rarer classes weigh more: the inverse root of their frequency, of mean 1 over the images.
std::vector<double> class_weights(const std::vector<std::size_t>& counts) {
    std::vector<double> weights;
    double total = 0, sum = 0;
    for (const std::size_t n : counts) {
        weights.push_back(n > 0 ? 1 / std::sqrt(static_cast<double>(n)) : 0);
        total += static_cast<double>(n);
        sum += static_cast<double>(n) * weights.back();
    }
    if (sum == 0) return {};
    for (double& w : weights) w *= total / sum;
    return weights;
}

description describe(const train_options& o, const std::vector<part>& train) {
    description what{o.size, o.strategy, o.encoder, o.seed, {}};
    for (const std::string_view head : head_names) {
        const std::size_t n = labelled(train, head);
        if (n > 0) what.heads.emplace_back(head);
        std::cerr << "  " << head << ": " << (n > 0 ? std::to_string(n) + " labelled images" : "no labels, not trained") << '\n';
    }
    return what;
}

} // namespace

int stop_signal() { return stop_asked; }

void run(const train_options& given) {
    const bool resume = !given.resume.empty();
    std::optional<folder_lock> lock;
    if (const auto& path = resume ? given.resume : given.out; std::filesystem::is_directory(path)) lock.emplace(path);
    train_options o = resume ? run_folder{given.resume}.reopen() : given;
    o.threads = given.threads;
    for (std::string* path : {&o.data.findings, &o.data.lungs, &o.init}) // a run may be resumed from another working folder
        if (!path->empty()) *path = utf8(std::filesystem::absolute(*path).string(), *path);
    const run_folder folder{o.out};
    if (o.strategy == "separate" && o.encoder != "all")
        throw umsrep::option_error("strategy separate", "encoder all, since every task starts from scratch", "'" + o.encoder + "'");
    if (!resume) folder.check_free(o.force);
    o.device = device::choose(o.device); // what `auto` chose is the run's device from now on

    // Everything is read and checked before the first file is written.
    std::cerr << "reading " << (o.data.simulates() ? "simulated images" : "images") << '\n';
    std::vector<part> train = read_split(o.data, "train", o.size, o.threads), valid = read_split(o.data, "val", o.size, o.threads);
    const std::vector<part> test = read_split(o.data, "test", o.size, o.threads);
    std::cerr << count(train) << " images to train, " << count(valid) << " to validate, " << count(test) << " to test\n";
    session networks{o.size, o.seed, {o.device, o.threads, o.plans}};
    std::cerr << "computed by " + networks.computed_by() + '\n';
    if (!o.init.empty()) networks.load_encoder(o.init);
    else if (o.encoder != "all") std::cerr << "note: without --init, what does not train of the encoder keeps its random weights\n";

    training how{.what = describe(o, train), .epochs = o.epochs, .batch = o.batch, .learning_rate = o.learning_rate,
                 .head_weights = o.head_weights, .class_weights = class_weights(class_counts(train)), .folder = folder.path,
                 .run = o.to_json().dump() + " on " + std::to_string(count(train)) + "/" + std::to_string(count(valid)) + " images",
                 .resume = resume, .checkpoint_every = o.checkpoint_every, .on_batch = {}, .on_epoch = {}};
    training_display display{static_cast<std::size_t>(o.batch), o.epochs};
    how.on_batch = [&](const umsrep::batch_report& r, std::string_view task) {
        display.batch(r, task);
        return stop_asked == 0;
    };
    how.on_epoch = [&](const umsrep::epoch_record& r, std::string_view task) { display.epoch(r, task); };
    const loading loads{static_cast<std::size_t>(o.batch), o.noise, umsrep::derived_seed(umsrep::seed{o.seed}, "data"), networks.image(),
                        networks.targets()};
    auto samples = training_loader(std::move(train), loads), validation = validation_loader(std::move(valid), loads);

    if (!lock) {
        folder.create();
        lock.emplace(folder.path);
        folder.check_free(o.force); // another process may have been faster
    }
    folder.remove_leftovers();
    if (!resume) folder.begin(o);
    const interrupt_guard stops_in_order;
    const auto started = std::chrono::steady_clock::now();
    std::vector<umsrep::history> runs;
    try {
        runs = networks.train(how, samples, validation);
    } catch (...) {
        folder.abandon();
        throw;
    }
    const double here = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    networks.save(folder.model(), how.what);
    write_history(folder.history(), runs, runs.size() == 1 ? std::vector<std::string>{"all"} : std::vector<std::string>{head_names.begin(), head_names.end()});

    nlohmann::ordered_json metrics = evaluate(networks, how.what, test, o.noise);
    double seconds = 0;
    std::size_t epochs = 0;
    for (const umsrep::history& h : runs)
        for (const umsrep::epoch_record& e : h.epochs) seconds += e.seconds, ++epochs;
    const auto [parameters, macs] = networks.costs();
    metrics["cost"] = {{"parameters", parameters}, {"macs", macs}, {"seconds", seconds}, {"epochs", epochs},
                       {"images_per_second", here > 0 ? static_cast<double>(display.images()) / here : 0.0}, {"threads", o.threads}, {"computed_by", networks.computed_by()},
                       {"strategy", o.strategy}, {"encoder", o.encoder}, {"size", o.size}, {"seed", o.seed}};
    umsrep::io::write_png(folder.panel(), panel(networks, test, o.noise).pixels());
    write_json(folder.metrics(), metrics);
    folder.finish(o);
    std::cout << '\n' << summary(metrics) << "\nTest images, trained in " << report::duration(seconds) << ". Picture: " << folder.panel().string() << '\n';
}

} // namespace xray
