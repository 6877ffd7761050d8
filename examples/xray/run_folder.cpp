// SPDX-License-Identifier: MIT
#include "run_folder.hpp"

#include <cmath>
#include <cstdio>
#include <ostream>

#include <umsrep/io/csv.hpp>
#include <umsrep/io/read_bytes.hpp>

#include "session.hpp"

namespace xray {

namespace fs = std::filesystem;

namespace {

std::string text(double value) {
    if (std::isnan(value)) return "";
    char digits[32];
    std::snprintf(digits, sizeof digits, "%.6g", value);
    return digits;
}

} // namespace

bool run_folder::begun() const { return fs::exists(options()); }
bool run_folder::finished() const { return begun() && fs::exists(metrics()); }

void run_folder::check_free(bool force) const {
    if (force) return;
    if (finished()) throw umsrep::option_error(path.string() + ": holds a finished run; --force overwrites it");
    if (begun()) throw umsrep::option_error(path.string() + ": holds a run that was stopped; --resume goes on with it, --force overwrites it");
    for (const fs::path& file : {metrics(), model(), history(), panel()}) // of someone who kept a model without its run, say
        if (fs::exists(file)) throw umsrep::option_error(file.string() + ": is there already, without a run; --force removes it");
}

void run_folder::begin(const train_options& o) const {
    std::error_code failure;
    fs::create_directories(path, failure);
    if (failure) throw umsrep::file_error(path.string() + ": cannot be made a folder: " + failure.message());
    remove_checkpoints();
    for (const fs::path& file : {metrics(), model(), history(), panel()}) fs::remove(file, failure);
    write_json(options(), o.to_json());
}

train_options run_folder::reopen() const {
    if (!begun()) throw umsrep::file_error(path.string() + ": holds no run that could be resumed (no options.json)");
    if (finished()) throw umsrep::file_error(path.string() + ": holds a finished run, nothing is left to resume");
    const std::vector<std::byte> bytes = umsrep::io::read_bytes(options());
    const auto* first = reinterpret_cast<const char*>(bytes.data());
    const auto json = nlohmann::ordered_json::parse(first, first + bytes.size(), nullptr, false);
    train_options o = train_options::from_json(json, options().string());
    o.out = path;
    return o;
}

void run_folder::remove_checkpoints() const {
    std::error_code ignored;
    fs::remove(checkpoint_file(path, ""), ignored);
    for (const std::string_view task : head_names) fs::remove(checkpoint_file(path, task), ignored);
}

void write_json(const fs::path& path, const nlohmann::ordered_json& json) {
    umsrep::io::write_atomically(path, [&](std::ostream& out) { out << json.dump(2) << '\n'; });
}

void write_history(const fs::path& path, const std::vector<umsrep::history>& runs, const std::vector<std::string>& tasks) {
    umsrep::io::write_atomically(path, [&](std::ostream& out) {
        std::vector<std::string> row{"task", "epoch", "learning_rate"};
        for (const char* loss : {"train", "valid"})
            for (const std::string_view head : head_names) row.push_back(std::string{loss} + "_" + std::string{head});
        row.insert(row.end(), {"monitor", "best", "seconds"});
        umsrep::io::write_csv_row(out, row);
        for (std::size_t r = 0; r < runs.size(); ++r)
            for (const umsrep::epoch_record& e : runs[r].epochs) {
                row = {tasks[r], std::to_string(e.epoch), text(e.learning_rate)};
                for (const auto* losses : {&e.train_loss, &e.valid_loss})
                    for (const double loss : *losses) row.push_back(text(loss));
                row.insert(row.end(), {text(e.monitor), e.best ? "1" : "0", text(e.seconds)});
                umsrep::io::write_csv_row(out, row);
            }
    });
}

} // namespace xray
