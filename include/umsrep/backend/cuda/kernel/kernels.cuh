// SPDX-License-Identifier: MIT
#pragma once

// All own kernels: for NVRTC, and for .cu files that nvcc compiles.
#include <umsrep/backend/cuda/kernel/activation.cuh>
#include <umsrep/backend/cuda/kernel/batch_norm.cuh>
#include <umsrep/backend/cuda/kernel/change_pixels.cuh>
#include <umsrep/backend/cuda/kernel/class_loss.cuh>
#include <umsrep/backend/cuda/kernel/copy.cuh>
#include <umsrep/backend/cuda/kernel/dropout.cuh>
#include <umsrep/backend/cuda/kernel/element_loss.cuh>
#include <umsrep/backend/cuda/kernel/elementwise.cuh>
#include <umsrep/backend/cuda/kernel/fold.cuh>
#include <umsrep/backend/cuda/kernel/map.cuh>
#include <umsrep/backend/cuda/kernel/normalization.cuh>
#include <umsrep/backend/cuda/kernel/optimizer.cuh>
#include <umsrep/backend/cuda/kernel/overlap_loss.cuh>
#include <umsrep/backend/cuda/kernel/pooling.cuh>
#include <umsrep/backend/cuda/kernel/reduce.cuh>
#include <umsrep/backend/cuda/kernel/resampling.cuh>
#include <umsrep/backend/cuda/kernel/similarity_loss.cuh>
#include <umsrep/backend/cuda/kernel/softmax.cuh>
#include <umsrep/backend/cuda/kernel/sum_channels.cuh>
