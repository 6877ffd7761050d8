// SPDX-License-Identifier: MIT
#include "result_folder.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <span>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <umsrep/core/error.hpp>
#include <umsrep/io/atomic_file.hpp>
#include <umsrep/io/csv.hpp>
#include <umsrep/io/read_bytes.hpp>

namespace experiment {

namespace fs = std::filesystem;
using json = nlohmann::ordered_json;

namespace {

using columns = std::vector<std::string>;

const columns result_columns{"run", "family", "arm", "labels", "seed", "task", "metric", "value", "count"};
const columns cost_columns{"run", "family", "arm", "labels", "seed", "stage1_seconds", "train_seconds", "epochs", "macs_per_step",
                           "macs_total", "parameters", "trained_parameters", "peak_bytes", "latency_p50_ms", "latency_p95_ms"};
const columns curve_columns{"run", "epoch", "task", "train_loss", "valid_loss", "valid_metric"};
const columns prediction_columns{"task", "id", "patient", "truth", "score", "predicted"};

std::string file_name(std::string run, const char* extension) {
    std::ranges::replace(run, '/', '_');
    return run + extension;
}

void write(const fs::path& path, const json& content) {
    const std::string text = content.dump(2, ' ', false, json::error_handler_t::replace);
    umsrep::io::write_atomically(path, [&](std::ostream& out) { out << text << '\n'; });
}

json read(const fs::path& path) {
    const auto bytes = umsrep::io::read_bytes(path);
    const auto* first = reinterpret_cast<const char*>(bytes.data());
    json content = json::parse(first, first + bytes.size(), nullptr, false);
    if (content.is_discarded() || !content.is_object()) throw umsrep::file_error(path.string(), "an object as JSON", "something else");
    return content;
}

/// Adds what `list` lacks of `more`, at the end; numbers in their order.
void unite(json& list, const json& more) {
    for (const json& element : more)
        if (std::ranges::find(list, element) == list.end()) list.push_back(element);
    if (!list.empty() && list.front().is_number()) std::sort(list.begin(), list.end());
}

int lock(const fs::path& folder) {
    const auto cause = [] { return std::generic_category().message(errno); };
    const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) throw umsrep::file_error(folder.string() + ": cannot be opened: " + cause());
    if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0) return descriptor;
    const bool busy = errno == EWOULDBLOCK;
    const std::string why = cause();
    ::close(descriptor);
    if (busy) throw umsrep::option_error(folder.string() + ": another process works in it");
    throw umsrep::file_error(folder.string() + ": cannot be locked: " + why);
}

} // namespace

result_folder::result_folder(const fs::path& path) : path_{path}, descriptor_{-1} {
    for (const char* inside : {"runs", "predictions", "encoders", "samples"}) {
        std::error_code failure;
        fs::create_directories(path / inside, failure);
        if (failure) throw umsrep::file_error((path / inside).string() + ": cannot be made a folder: " + failure.message());
    }
    descriptor_ = lock(path);
    try {
        std::error_code ignored;
        for (const auto& entry : fs::recursive_directory_iterator(path)) // of a process that was killed while it wrote
            if (const std::string name = entry.path().filename().string(); name.starts_with(".umsrep-") && name.ends_with(".tmp"))
                fs::remove(entry.path(), ignored);
        for (const auto& entry : fs::directory_iterator(path / "runs")) {
            const json stored = read(entry.path());
            try {
                runs_[stored.at("run").get<std::string>()] = {stored.at("results").get<rows>(), stored.at("costs").get<rows>(),
                                                              stored.at("curves").get<rows>(), {}};
            } catch (const json::exception&) {
                throw umsrep::file_error(entry.path().string(), "the tables of a run", "something else");
            }
        }
        if (!runs_.empty()) write_tables();
    } catch (...) {
        ::close(descriptor_);
        throw;
    }
}

result_folder::~result_folder() { ::close(descriptor_); }

void result_folder::begin(const json& settings) const { write(path_ / "experiment.json", settings); }

json result_folder::united(const json& settings) const {
    const fs::path file = path_ / "experiment.json";
    if (!fs::exists(file)) {
        if (!runs_.empty())
            throw umsrep::file_error(file.string(), "the settings of the runs in runs/", "no such file; take another --out");
        return settings;
    }
    json earlier = read(file);
    json result = earlier;
    for (const auto& [name, value] : settings.items()) {
        if (name == "machine") continue;
        json& was = result[name];
        if (was.is_array() && value.is_array()) unite(was, value);
        else if (was != value)
            throw umsrep::option_error(file.string() + ": " + name, was.dump() + ", as the folder was begun",
                                       value.dump() + "; take another --out");
    }
    // Seconds are compared between runs: more of them only where the others were made. An unfinished experiment may go on elsewhere.
    if (result != earlier && earlier["machine"] != settings["machine"])
        throw umsrep::option_error(file.string() + ": machine", earlier["machine"].dump() + " for more runs than the folder was begun with",
                                   settings["machine"].dump());
    return result;
}

void result_folder::add(const std::string& run, run_rows measured) {
    umsrep::io::write_csv(path_ / "predictions" / file_name(run, ".csv"), prediction_columns, measured.predictions);
    measured.predictions.clear();
    write(path_ / "runs" / file_name(run, ".json"),
          {{"run", run}, {"results", measured.results}, {"costs", measured.costs}, {"curves", measured.curves}});
    runs_[run] = std::move(measured);
    write_tables();
}

void result_folder::write_tables() const {
    const auto table = [&](const char* name, const columns& header, rows run_rows::* part) {
        rows all;
        for (const auto& [run, measured] : runs_) all.insert(all.end(), (measured.*part).begin(), (measured.*part).end());
        umsrep::io::write_csv(path_ / name, header, all);
    };
    table("costs.csv", cost_columns, &run_rows::costs);
    table("curves.csv", curve_columns, &run_rows::curves);
    table("results.csv", result_columns, &run_rows::results);
}

fs::path result_folder::encoder(const std::string& modality, int seed) const {
    return path_ / "encoders" / (modality + "-s" + std::to_string(seed) + ".safetensors");
}

fs::path result_folder::sample(const std::string& run) const { return path_ / "samples" / file_name(run, ".png"); }

} // namespace experiment
