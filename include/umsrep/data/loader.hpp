// SPDX-License-Identifier: MIT
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <umsrep/core/error.hpp>
#include <umsrep/core/random.hpp>
#include <umsrep/core/shape.hpp>
#include <umsrep/data/batch.hpp>
#include <umsrep/data/dataset.hpp>
#include <umsrep/data/epoch_order.hpp>

namespace umsrep::data {

/// A dataset and how many samples of it go into each batch.
struct source {
    any_dataset samples;
    std::size_t per_batch = 1;
};

struct loader_options {
    seed random{0};
    bool shuffle = true;
    bool drop_last = false;   ///< leave out the last batch of an epoch when the first source cannot fill its part
    int threads = 1;          ///< that make batches ahead; 0 makes each batch in the call that asks for it
    std::size_t prefetch = 4; ///< batches that may wait, or be in the making, ahead of the consumer
    /// Changes of pixels are only drawn for who can compute them, which is a trainer on a device; threads compute them for everybody else.
    bool later = false;
};

/// In what state pixels are asked of a loader: see loader_options::later.
enum class delivery : std::uint8_t {
    computed,
    recorded, ///< where its option `later` is set: then batches have changes that are not computed yet
};

/// Batches from one or several datasets, made ahead by worker threads. The first source is gone through once per epoch, the others
/// start over as often as needed. Batch k of epoch e depends on the sources, the seed, e and k alone: not on the number of
/// threads, and not on what was loaded before, so that `start(e, k)` resumes a run. For evaluation take `shuffle = false` and
/// always `start(0)`: then noise added by a transform is the same each time as well.
///
/// An error of a dataset or transform comes out of the `next` whose batch it concerns. One thread consumes.
class loader {
public:
    /// Throws option_error: no source, an empty one, a part of 0 samples, no full batch, negative threads, no prefetch.
    loader(std::vector<source> sources, shape image, std::vector<head_spec> heads, loader_options options = {})
        : state_{std::make_unique<state>(std::move(sources), image, std::move(heads), options)} {
        for (int i = 0; i < options.threads; ++i)
            workers_.emplace_back([s = state_.get()](std::stop_token stop) { s->work(stop); });
    }

    /// One dataset.
    loader(any_dataset samples, std::size_t batch_size, shape image, std::vector<head_spec> heads, loader_options options = {})
        : loader{std::vector{source{std::move(samples), batch_size}}, image, std::move(heads), options} {}

    loader(loader&&) = default;
    loader& operator=(loader&& other) {
        workers_.clear(); // before the state that they work on goes
        state_ = std::move(other.state_);
        workers_ = std::move(other.workers_);
        return *this;
    }

    std::size_t batches_per_epoch() const { return data::batches_per_epoch(state_->quotas, state_->order); }

    /// Samples in a full batch.
    std::size_t batch_size() const {
        std::size_t n = 0;
        for (const source& from : state_->sources) n += from.per_batch;
        return n;
    }

    /// What `next` gives from here on; may be called at any time. Throws option_error when the epoch has no batch `first_batch`
    /// (one past its last is allowed: nothing is left of it).
    void start(std::uint64_t epoch, std::size_t first_batch = 0, delivery wanted = delivery::computed) {
        if (first_batch > batches_per_epoch()) {
            throw option_error("loader: first batch", "at most " + std::to_string(batches_per_epoch()),
                               std::to_string(first_batch));
        }
        state_->start(epoch, first_batch, wanted);
    }

    /// The next batch of the epoch, or nothing after its last (or before the first `start`).
    std::optional<batch> next() { return workers_.empty() ? state_->make_next() : state_->take_next(); }

private:
    struct epoch_plan {
        std::vector<std::vector<draw>> draws; ///< of each batch
        bool records;
    };

    struct state {
        state(std::vector<source> from, shape image_shape, std::vector<head_spec> specs, const loader_options& o)
            : sources{std::move(from)},
              image{image_shape},
              heads{std::move(specs)},
              order{o.random, o.shuffle, o.drop_last},
              prefetch{o.prefetch},
              later{o.later} {
            if (sources.empty()) throw option_error("loader", "at least one source", "none");
            if (o.threads < 0) throw option_error("loader: threads", "0 or more", std::to_string(o.threads));
            if (prefetch == 0) throw option_error("loader: prefetch", "at least one batch", "0");
            for (const source& s : sources) {
                const std::string name = "loader: source " + std::to_string(quotas.size());
                if (s.per_batch == 0) throw option_error(name, "at least one sample per batch", "0");
                if (s.samples.size() == 0) throw option_error(name, "at least one sample", "an empty dataset");
                quotas.push_back({s.samples.size(), s.per_batch});
            }
            if (data::batches_per_epoch(quotas, order) == 0) {
                throw option_error("loader: source 0", "samples for at least one full batch", std::to_string(quotas[0].size));
            }
        }

        void start(std::uint64_t epoch, std::size_t first_batch, delivery wanted) {
            const bool records = later && wanted == delivery::recorded;
            auto next_plan = std::make_shared<const epoch_plan>(epoch_plan{epoch_order(quotas, epoch, order), records});
            {
                const std::lock_guard lock{mutex};
                plan = std::move(next_plan);
                to_make = to_take = first_batch;
                ready.clear();
            }
            may_make.notify_all();
        }

        std::optional<batch> make_next() {
            if (plan == nullptr || to_take == plan->draws.size()) return std::nullopt;
            return make(plan->draws[to_take++], plan->records);
        }

        std::optional<batch> take_next() {
            result taken;
            {
                std::unique_lock lock{mutex};
                if (plan == nullptr || to_take == plan->draws.size()) return std::nullopt;
                may_take.wait(lock, [&] { return ready.contains(to_take); });
                taken = std::move(ready.extract(to_take++).mapped());
            }
            may_make.notify_one();
            if (taken.failure) std::rethrow_exception(std::move(taken.failure));
            return std::move(taken.made);
        }

        void work(std::stop_token stop) {
            const auto has_work = [&] { return plan != nullptr && to_make < plan->draws.size() && to_make < to_take + prefetch; };
            std::unique_lock lock{mutex};
            while (may_make.wait(lock, stop, has_work)) {
                const std::shared_ptr<const epoch_plan> mine = plan;
                const std::size_t number = to_make++;
                lock.unlock();
                result made;
                try {
                    made.made = make(mine->draws[number], mine->records);
                } catch (...) {
                    made.failure = std::current_exception();
                }
                lock.lock();
                if (mine == plan) { // otherwise `start` was called meanwhile
                    ready.emplace(number, std::move(made));
                    may_take.notify_one();
                }
            }
        }

        batch make(const std::vector<draw>& draws, bool records) const {
            std::vector<sample> samples;
            samples.reserve(draws.size());
            for (const draw& d : draws) {
                random_stream random{order.random, "augment " + std::to_string(d.source), d.number};
                const any_dataset& from = sources[d.source].samples;
                samples.push_back(records ? from.get_recorded(d.index, random) : from.get(d.index, random));
            }
            return collate(samples, image, heads);
        }

        struct result {
            batch made;
            std::exception_ptr failure;
        };

        std::vector<source> sources;
        shape image;
        std::vector<head_spec> heads;
        order_options order;
        std::size_t prefetch;
        bool later;
        std::vector<quota> quotas;

        std::mutex mutex; ///< guards what follows
        std::condition_variable_any may_make, may_take;
        std::shared_ptr<const epoch_plan> plan;
        std::size_t to_make = 0, to_take = 0;
        std::map<std::size_t, result> ready;
    };

    std::unique_ptr<state> state_;
    std::vector<std::jthread> workers_; ///< stopped and joined before the state goes
};

} // namespace umsrep::data
