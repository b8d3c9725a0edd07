// tessera info: what a model is, and what it costs.
#include <cstdio>
#include <set>

#include <nlohmann/json.hpp>

#include <tessera/flops.hpp>

#include "program.hpp"

namespace program {

using namespace tessera;

namespace {

struct InfoArguments {
  ModelArguments model;
  bool json = false;
};

const char* family_of(const Config& c) {
  if (c.latent_tokens == 0) return "patch";
  return c.class_token ? "titok" : "latent";
}

/// The element types of the file's tensors, as "F32" or "F16, F32".
std::string dtypes_of(const SafetensorsFile& file) {
  std::set<std::string> names;
  for (const TensorInfo& tensor : file.tensors()) names.emplace(name_of(tensor.dtype));
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

nlohmann::ordered_json describe(const ModelArguments& arguments) {
  const Preset& preset = arguments.find_preset();
  const Config& c = preset.config;
  const SafetensorsFile file(model_file(arguments.path));
  check_fits(file, c, preset.tensors());
  return {{"file", file.path()},
          {"preset", preset.name},
          {"family", family_of(c)},
          {"dtype", dtypes_of(file)},
          {"parameters", preset.parameters},
          {"tokens", c.tokens()},
          {"codebook_size", c.codebook_size},
          {"code_dim", c.code_dim},
          {"bits_per_token", c.bits_per_token()},
          {"bits_per_image", c.bits_per_image()},
          {"compression_ratio", c.compression_ratio()},
          {"encode_flops", encode_flops(c)},
          {"decode_flops", decode_flops(c)},
          {"batch", preset.batch},
          {"workspace_bytes", preset.workspace_bytes},
          {"config", nlohmann::ordered_json::parse(to_json_text(c))}};
}

void print_text(const nlohmann::ordered_json& info) {
  const auto text = [&](const char* key) { return info[key].get<std::string>(); };
  const auto integer = [&](const char* key) { return info[key].get<Index>(); };
  const auto number = [&](const char* key) { return info[key].get<double>(); };
  const nlohmann::ordered_json& c = info["config"];
  std::printf("%s\n", text("file").c_str());
  std::printf("preset      %s (%s family), %s\n", text("preset").c_str(), text("family").c_str(),
              text("dtype").c_str());
  std::printf("image       %td x %td, %td channels, patches of %td\n", c["image"]["height"].get<Index>(),
              c["image"]["width"].get<Index>(), c["channels"].get<Index>(), c["patch_size"].get<Index>());
  for (const char* part : {"encoder", "decoder"}) {
    std::printf("%-11s %td blocks of width %td, %td heads\n", part, c[part]["depth"].get<Index>(),
                c[part]["dim"].get<Index>(), c[part]["heads"].get<Index>());
  }
  std::printf("parameters  %td\n", integer("parameters"));
  std::printf("codebook    %td codes of dimension %td, %s\n", integer("codebook_size"), integer("code_dim"),
              c["metric"].get<std::string>().c_str());
  std::printf("tokens      %td of %td bits: %td bits an image, %.6g : 1\n", integer("tokens"),
              integer("bits_per_token"), integer("bits_per_image"), number("compression_ratio"));
  std::printf("encode      %.4g GFLOP an image\n", number("encode_flops") * 1e-9);
  std::printf("decode      %.4g GFLOP an image\n", number("decode_flops") * 1e-9);
  std::printf("workspace   %td bytes for %td images at a time\n", integer("workspace_bytes"), integer("batch"));
}

void info(const InfoArguments& a) {
  const nlohmann::ordered_json description = describe(a.model);
  if (a.json)
    std::printf("%s\n", description.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  else
    print_text(description);
}

}  // namespace

void add_info(CLI::App& app, std::function<void()>& run) {
  CLI::App& c = *app.add_subcommand("info", "say what a model is");
  const auto a = std::make_shared<InfoArguments>();
  c.add_option("model", a->model.path, "a .safetensors file, or a folder with model.safetensors")->required();
  add_preset(c, a->model.preset);
  c.add_flag("--json", a->json, "as JSON");
  c.callback([a, &run] { run = [a] { info(*a); }; });
}

}  // namespace program
