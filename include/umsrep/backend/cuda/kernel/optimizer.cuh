// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/backend/cuda/kernel/loss.cuh>
#include <umsrep/backend/cuda/kernel/view.cuh>

/// One step of an optimiser over all parameters: gradient_squares of every table of chunks, prepare_step, advance_parts, adam or sgd of
/// every table. Parameters and moments are floats; gradients may be of another type (G), and so may a copy of the parameters that layers
/// read (C).
namespace umsrep::cuda::kernel {

/// A stretch of one tensor. Tensors are cut into chunks of chunk_length elements, tables of them in device memory.
struct chunk {
    float* w;
    const void* g;      ///< G
    float *m, *v;       ///< moments; v is adam's only
    void* copy;         ///< C, or null
    const float* start; ///< where L2-SP pulls the parameters to; null: nowhere
    u32 count;          ///< elements, 1 to chunk_length
    u32 part;           ///< stage or head
    double lr_scale;    ///< of the tensor's parameter group
    double decay_scale; ///< 0 for norms and biases
};
inline constexpr u32 chunk_length = 4096;

/// What the host says of a step, in device memory.
struct step_order {
    double lr;
    u64 number;         ///< steps before it
    float average_gain; ///< of the moving average of the weights
    u32 unused;
};

/// A stage or a head, whose parameters are updated together, and from step to step what adam corrects its moments by.
struct part_state {
    u64 updates;
    double rate;  ///< lr / (1 - beta1^updates)
    float spread; ///< 1 / sqrt(1 - beta2^updates)
    u32 unused;
};

/// What a run keeps in device memory from step to step, and what it knows of the last one.
struct step_state {
    double gradient_norm;  ///< of the last step, before clipping, without the loss scale
    u64 skipped;           ///< steps whose gradient was too large for their loss scale
    float loss_scale;      ///< what the next step's gradients are multiplied with: a power of two in fp16, else 1
    u32 steps_since_scale; ///< since loss_scale was changed
    float unscale, clip;   ///< of the last step: 1 / its loss scale, and what is left of the gradient behind clipping
    u32 skip;              ///< 1: nothing moves in this step
    u32 halted;            ///< 1: nor in any later one, until the host has seen what was wrong
};

/// An element of a gradient without the loss scale, with what pulls the parameter to where it started.
template <class G>
UMSREP_DEVICE float gradient_of(const chunk& c, u32 i, float unscale, float pull) {
    const float g = to_float(static_cast<const G*>(c.g)[i]) * unscale;
    return c.start != nullptr ? g + pull * (c.w[i] - c.start[i]) : g;
}

/// The sum of squares of each chunk's gradient, by `reduce`.
template <class G>
struct gradient_squares {
    u32 chunks;
    const chunk* table;
    const u32* moves; ///< of each part: 0 where it stays
    const step_state* state;
    float pull; ///< L2-SP's strength
    double* to;

    struct sums {
        double squares;
    };
    static constexpr bool applies = false;
    UMSREP_DEVICE long long outputs() const { return chunks; }
    UMSREP_DEVICE u32 length() const { return chunk_length; }
    UMSREP_DEVICE u32 neighbours() const { return 1; }
    UMSREP_DEVICE void add(sums& s, u32 i, u32 term) const {
        const chunk& c = table[i];
        if (term >= c.count || moves[c.part] == 0) return;
        const double g = static_cast<double>(gradient_of<G>(c, term, 1 / state->loss_scale, pull));
        s.squares += g * g;
    }
    UMSREP_DEVICE static void merge(sums& to, const sums& from) { to.squares += from.squares; }
    UMSREP_DEVICE void finish(u32 i, const sums& all) const { to[i] = all.squares; }
};

/// The norm of all gradients and what follows from it, by `reduce`: how they are clipped (factor max_norm / (norm + 1e-6), as
/// optim::clip_by_norm), whether the step counts, the next loss scale. A target that was refused, or a gradient that is not finite, halts
/// the run; but a loss scale above 1 halves first, and only this step is left out. It doubles after `growth_interval` good steps
/// (Micikevicius et al., "Mixed precision training", ICLR 2018).
struct prepare_step {
    u32 chunks, reports;
    const double* squares;
    const loss_report* report; ///< of the losses of this step
    double max_norm;           ///< 0: no clipping
    u32 growth_interval;       ///< 0: the loss scale stays
    step_state* state;

    struct sums {
        double squares;
    };
    static constexpr bool applies = false;
    UMSREP_DEVICE long long outputs() const { return 1; }
    UMSREP_DEVICE u32 length() const { return chunks; }
    UMSREP_DEVICE u32 neighbours() const { return 1; }
    UMSREP_DEVICE void add(sums& s, u32, u32 i) const { s.squares += squares[i]; }
    UMSREP_DEVICE static void merge(sums& to, const sums& from) { to.squares += from.squares; }
    UMSREP_DEVICE void finish(u32, const sums& all) const {
        step_state& s = *state;
        s.unscale = 1 / s.loss_scale;
        s.skip = 1;
        if (s.halted != 0) return;
        for (u32 i = 0; i < reports; ++i)
            if (report[i].refused != 0) s.halted = 1;
        s.gradient_norm = ::sqrt(all.squares);
        const bool finite = s.gradient_norm - s.gradient_norm == 0;
        if (!finite && growth_interval != 0 && s.loss_scale > 1) {
            ++s.skipped;
            s.loss_scale *= 0.5f;
            s.steps_since_scale = 0;
        } else if (!finite) {
            s.halted = 1;
        }
        if (!finite || s.halted != 0) return;
        s.skip = 0;
        s.clip = static_cast<float>(max_norm > 0 ? least(max_norm / (s.gradient_norm + 1e-6), 1.0) : 1.0);
        if (growth_interval != 0 && ++s.steps_since_scale == growth_interval) {
            if (s.loss_scale < 0x1p30f) s.loss_scale *= 2;
            s.steps_since_scale = 0;
        }
    }
};

/// Counts the update of each part that moves, by `map`.
struct advance_parts {
    u32 size;
    const u32* moves;
    const step_order* order;
    double beta1, beta2; ///< adam's; 0 without
    const step_state* state;
    part_state* parts;

    UMSREP_DEVICE long long count() const { return size; }
    UMSREP_DEVICE void operator()(u32 i) const {
        if (state->skip != 0 || moves[i] == 0) return;
        part_state& p = parts[i];
        const double count = static_cast<double>(++p.updates);
        p.rate = order->lr / (1 - ::pow(beta1, count));
        p.spread = static_cast<float>(1 / ::sqrt(1 - ::pow(beta2, count)));
    }
};

/// What adam and sgd know of a step.
struct step_view {
    const u32* moves;
    const step_order* order;
    const step_state* state;
    const part_state* parts;
    float pull; ///< L2-SP's strength

    UMSREP_DEVICE bool moves_chunk(const chunk& c) const { return state->skip == 0 && moves[c.part] != 0; }
    template <class G>
    UMSREP_DEVICE float gradient(const chunk& c, u32 i) const {
        return gradient_of<G>(c, i, state->unscale, pull) * state->clip;
    }
};

/// One step of Adam (Kingma & Ba, ICLR 2015) or AdamW (Loshchilov & Hutter, ICLR 2019), by `map`, as optim::adam and optim::adamw: what
/// is one number for a whole tensor is taken in double and rounded once, as there.
template <class G, class C>
struct adam {
    u32 chunks;
    const chunk* table;
    step_view step;
    float gain1, gain2; ///< 1 - beta1 and 1 - beta2, taken in double: 1 - 0.999f is 1.3e-5 of it off
    float keep2;        ///< beta2
    float epsilon;
    double weight_decay;
    bool decoupled;     ///< AdamW

    UMSREP_DEVICE long long count() const { return static_cast<long long>(chunks) * chunk_length; }
    UMSREP_DEVICE void operator()(u32 task) const {
        const chunk& c = table[task / chunk_length];
        const u32 i = task % chunk_length;
        if (i >= c.count || !step.moves_chunk(c)) return;
        const part_state& part = step.parts[c.part];
        const double decay = weight_decay * c.decay_scale;
        const float w = c.w[i], g = step.template gradient<G>(c, i);
        const float d = decoupled ? g : g + static_cast<float>(decay) * w;
        const float m = c.m[i] + gain1 * (d - c.m[i]);
        const float v = keep2 * c.v[i] + gain2 * d * d;
        const float kept = decoupled ? static_cast<float>(1 - step.order->lr * c.lr_scale * decay) : 1;
        const float next = kept * w - static_cast<float>(part.rate * c.lr_scale) * m / (::sqrtf(v) * part.spread + epsilon);
        c.m[i] = m;
        c.v[i] = v;
        c.w[i] = next;
        if (c.copy != nullptr) static_cast<C*>(c.copy)[i] = number<C>::from(next);
    }
};

/// One step of stochastic gradient descent with momentum, by `map`, as optim::sgd.
template <class G, class C>
struct sgd {
    u32 chunks;
    const chunk* table;
    step_view step;
    float momentum;
    bool nesterov;
    double weight_decay;

    UMSREP_DEVICE long long count() const { return static_cast<long long>(chunks) * chunk_length; }
    UMSREP_DEVICE void operator()(u32 task) const {
        const chunk& c = table[task / chunk_length];
        const u32 i = task % chunk_length;
        if (i >= c.count || !step.moves_chunk(c)) return;
        const float w = c.w[i];
        const float d = step.template gradient<G>(c, i) + static_cast<float>(weight_decay * c.decay_scale) * w;
        const float b = momentum * c.m[i] + d;
        const float next = w - static_cast<float>(step.order->lr * c.lr_scale) * (nesterov ? d + momentum * b : b);
        c.m[i] = b;
        c.w[i] = next;
        if (c.copy != nullptr) static_cast<C*>(c.copy)[i] = number<C>::from(next);
    }
};

/// average += gain (w - average) over `size` floats, by `map`: optim::ema. A gain of 1 copies, also in a step that is left out: the first
/// update may be one, and the average has to begin somewhere.
struct move_average {
    u32 size;
    const float* w;
    const step_order* order;
    const step_state* state; ///< where the weights stay, their average stays
    float* average;

    UMSREP_DEVICE long long count() const { return size; }
    UMSREP_DEVICE void operator()(u32 i) const {
        const float gain = order->average_gain;
        if (gain == 1) average[i] = w[i];
        else if (state->skip == 0) average[i] += gain * (w[i] - average[i]);
    }
};

/// Exchanges `size` floats, by `map`.
struct swap_values {
    u32 size;
    float *a, *b;

    UMSREP_DEVICE long long count() const { return size; }
    UMSREP_DEVICE void operator()(u32 i) const {
        const float x = a[i];
        a[i] = b[i];
        b[i] = x;
    }
};

} // namespace umsrep::cuda::kernel
