// SPDX-License-Identifier: MIT
#include "run_folder.hpp"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <system_error>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

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

folder_lock::folder_lock(const fs::path& folder) : descriptor_{::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)} {
    const auto cause = [] { return std::generic_category().message(errno); };
    if (descriptor_ < 0) throw umsrep::file_error(folder.string() + ": cannot be opened: " + cause());
    if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0) return;
    if (errno != EWOULDBLOCK) { // some network file systems lock no folders
        std::cerr << "note: " << folder.string() << " cannot be locked (" << cause() << "): no other process may train into it\n";
        return;
    }
    ::close(descriptor_);
    throw umsrep::option_error(folder.string() + ": another process is training into it");
}

folder_lock::~folder_lock() { ::close(descriptor_); }

bool run_folder::begun() const { return fs::exists(unfinished()); }
bool run_folder::finished() const { return !begun() && fs::exists(options()) && fs::exists(metrics()); }

std::vector<fs::path> run_folder::checkpoints() const {
    std::vector<fs::path> files{checkpoint_file(path, "")};
    for (const std::string_view task : head_names) files.push_back(checkpoint_file(path, task));
    return files;
}

void run_folder::check_free(bool force) const {
    if (force) return;
    if (finished()) throw umsrep::option_error(path.string() + ": holds a finished run; --force overwrites it");
    if (begun()) throw umsrep::option_error(path.string() + ": holds a run that was stopped; --resume goes on with it, --force overwrites it");
    for (const fs::path& file : {metrics(), model(), history(), panel(), options()}) // of someone who kept a model without its run, say
        if (fs::exists(file)) throw umsrep::option_error(file.string() + ": is there already, without a run; --force removes it");
}

void run_folder::create() const {
    std::error_code failure;
    fs::create_directories(path, failure);
    if (failure) throw umsrep::file_error(path.string() + ": cannot be made a folder: " + failure.message());
}

void run_folder::begin(const train_options& o) const {
    std::error_code failure;
    write_json(unfinished(), o.to_json());
    for (const fs::path& file : checkpoints()) fs::remove(file, failure);
}

train_options run_folder::reopen() const {
    if (finished()) throw umsrep::file_error(path.string() + ": holds a finished run, nothing is left to resume");
    if (!begun()) throw umsrep::file_error(path.string() + ": holds no run that could be resumed (no checkpoint.json)");
    const std::vector<std::byte> bytes = umsrep::io::read_bytes(unfinished());
    const auto* first = reinterpret_cast<const char*>(bytes.data());
    const auto json = nlohmann::ordered_json::parse(first, first + bytes.size(), nullptr, false);
    train_options o = train_options::from_json(json, unfinished().string());
    o.out = path;
    return o;
}

void run_folder::abandon() const {
    const std::vector<fs::path> files = checkpoints();
    std::error_code ignored;
    if (std::ranges::none_of(files, [](const fs::path& file) { return fs::exists(file); })) fs::remove(unfinished(), ignored);
}

void run_folder::finish(const train_options& o) const {
    write_json(options(), o.to_json());
    std::error_code ignored;
    fs::remove(unfinished(), ignored); // first: a kill after it leaves a finished run, a kill before it one that can be resumed
    for (const fs::path& file : checkpoints()) fs::remove(file, ignored);
    remove_leftovers();
}

void run_folder::remove_leftovers() const {
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(path, ignored))
        if (const std::string name = entry.path().filename().string(); name.starts_with(".umsrep-") && name.ends_with(".tmp"))
            fs::remove(entry.path(), ignored);
}

void write_json(const fs::path& path, const nlohmann::ordered_json& json) {
    umsrep::io::write_atomically(path, [&](std::ostream& out) { out << json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << '\n'; });
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
