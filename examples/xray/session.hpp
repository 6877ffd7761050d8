// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <umsrep/data/loader.hpp>
#include <umsrep/train/options.hpp>

/// Everything that instantiates the network stands behind this header, in networks_*.cpp and train_cpu.cpp: the rest of the program compiles
/// in seconds.
namespace xray {

inline constexpr std::array<std::string_view, 3> head_names{"denoise", "lungs", "finding"};
inline const std::vector<std::string> strategy_names{"joint", "alternating", "independent", "separate"};
inline const std::vector<std::string> encoder_names{"all", "frozen", "last1", "last2", "last3", "last4"};
inline const std::vector<std::string> class_names{"normal", "bacterial", "viral"};
/// Four halvings stand between the image and the deepest stage.
inline constexpr int size_multiple = 16;

/// What a model file says of itself.
struct description {
    int size = 128;
    std::string strategy = "joint", encoder = "all";
    std::uint64_t seed = 1;
    std::vector<std::string> heads; ///< that were trained; the others had no labels

    bool trains(std::string_view head) const;
};

/// One batch of predictions, N, C, H, W.
struct predictions {
    xt::xtensor<float, 4> denoised, lungs, finding; ///< image; probability of lung; probability of each class
};

struct cost {
    std::int64_t parameters = 0, macs = 0; ///< of all models; one sample forward through them
};

/// Raised out of a training run by a `training::on_batch` that returns false, after the checkpoint was written.
struct interrupted {};

/// How to train; the callbacks get the task that trains alone, or "" where all train together.
struct training {
    description what;
    int epochs = 10, batch = 16;
    double learning_rate = 1e-3;
    std::vector<double> head_weights, class_weights;
    std::filesystem::path folder; ///< where checkpoints go
    std::string run;              ///< what a checkpoint must have been saved for
    bool resume = false;
    std::size_t checkpoint_every = 100; ///< batches
    std::function<bool(const umsrep::batch_report&, std::string_view task)> on_batch;
    std::function<void(const umsrep::epoch_record&, std::string_view task)> on_epoch;
};

/// What computes.
struct computing {
    std::string device = "cpu"; ///< or cuda
    int threads = 2;
    std::string plans = "measured"; ///< or first: of cuda
};

/// The trained networks: one for all tasks, or one for each, as the strategy has it.
class session {
public:
    session(int size, std::uint64_t seed, const computing& by);
    ~session();
    session(session&&) noexcept;

    /// Throws file_error when the file is damaged or no model of this program.
    static session open(const std::filesystem::path& model, const computing& by, description& what);

    umsrep::shape image() const;
    std::vector<umsrep::data::head_spec> targets() const;
    cost costs() const;
    /// The backend, what of this machine it uses, and the number of threads: "cpu, avx512; 2 threads".
    std::string computed_by() const;

    /// Any number of images.
    predictions predict(const xt::xtensor<float, 4>& images);

    /// Starts the encoder from a model file or any safetensors with its tensors.
    void load_encoder(const std::filesystem::path& weights);

    /// The histories of the runs that the strategy takes: one, or one per trained head.
    std::vector<umsrep::history> train(const training& how, umsrep::data::loader& samples, umsrep::data::loader& valid);

    void save(const std::filesystem::path& model, const description& what) const;

    class state;

private:
    explicit session(std::unique_ptr<state>);
    std::unique_ptr<state> state_;
};

/// The file of a run's checkpoint; tasks that train alone have their own.
std::filesystem::path checkpoint_file(const std::filesystem::path& folder, std::string_view task);

} // namespace xray
