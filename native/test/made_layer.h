// A small random checkpoint in one temporary file, for tests of assembly and contracts.
#pragma once

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "core/checkpoint/checkpoint.h"

namespace moe::test {

/// A folder that is removed with its contents.
class ScratchFolder {
 public:
  ScratchFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "moescope-test-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
    path_ = name;
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

/// Bytes of every projection, kept so that a test can say what to expect.
struct MadeProjection {
  std::vector<std::vector<uint8_t>> packed, scale;  // [E]
  std::vector<float> s2, input;
};

struct MadeLayer {
  ScratchFolder folder;
  LayerShape shape;
  Convention convention = Convention::kSmall;
  Merge merge = Merge::kMax;
  MadeProjection gate, up, down;

  explicit MadeLayer(bool gated = true, bool activations = true, int32_t experts = 5, int32_t hidden = 96, int32_t intermediate = 80) {
    shape = {hidden, intermediate, experts, 2, gated, gated ? MOE_SILU : MOE_RELU2, 0, 0};
    std::mt19937 random(7);
    if (gated) fill(gate, intermediate, hidden, 0.9e-4F, 1.7e-3F, activations, random);
    fill(up, intermediate, hidden, 0.9e-4F, 1.9e-3F, activations, random);
    fill(down, hidden, intermediate, 1.3e-4F, 1.1e-2F, activations, random);
    if (gated) gate.s2 = up.s2;
  }

  /// Writes the file and describes it.
  AssembleSpec spec() const {
    AssembleSpec out;
    out.shape = shape;
    out.convention = convention;
    out.merge = merge;
    std::vector<uint8_t> bytes(24, 0);  // something before the tensors
    if (shape.gated) out.gate = place(gate, bytes);
    out.up = place(up, bytes);
    out.down = place(down, bytes);
    const std::string path = folder.file("model.bin");
    std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    out.files = {MappedFile::open(path)};
    return out;
  }

  std::shared_ptr<const CheckpointLayer> assembled() const { return assemble(spec(), {}); }

 private:
  void fill(MadeProjection& out, int32_t rows, int32_t columns, float s2, float input, bool activations, std::mt19937& random) const {
    std::uniform_int_distribution<int> byte(0, 255);
    std::uniform_int_distribution<int> code(0, 0x7E);
    for (int32_t e = 0; e < shape.experts; ++e) {
      out.packed.emplace_back(static_cast<size_t>(rows * columns / 2));
      out.scale.emplace_back(static_cast<size_t>(rows * columns / 16));
      for (uint8_t& b : out.packed.back()) b = static_cast<uint8_t>(byte(random));
      for (uint8_t& b : out.scale.back()) b = static_cast<uint8_t>(code(random));
      out.s2.push_back(s2 * (1.0F + 0.37F * static_cast<float>(e)));
      if (activations) out.input.push_back(input * (1.0F + 0.11F * static_cast<float>((e * 3) % shape.experts)));
    }
  }

  ProjectionSources place(const MadeProjection& from, std::vector<uint8_t>& bytes) const {
    ProjectionSources out;
    for (size_t e = 0; e < from.packed.size(); ++e) {
      out.file.push_back(0);
      out.scale_file.push_back(0);
      out.packed.push_back(bytes.size());
      bytes.insert(bytes.end(), from.packed[e].begin(), from.packed[e].end());
      out.scale.push_back(bytes.size());
      bytes.insert(bytes.end(), from.scale[e].begin(), from.scale[e].end());
    }
    out.s2 = from.s2;
    out.input_scale = from.input;
    return out;
  }
};

}  // namespace moe::test
