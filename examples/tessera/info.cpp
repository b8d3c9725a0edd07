// tessera info: what a model is, what it costs, and what is wrong with it.
#include <cmath>
#include <cstdio>
#include <map>
#include <numeric>
#include <set>

#include <nlohmann/json.hpp>

#include <tessera/core/parallel.hpp>
#include <tessera/flops.hpp>
#include <tessera/vq/codebook_health.hpp>
#include <tessera/vq/codebook_use.hpp>

#include <tessera/data/image_folder.hpp>
#include <tessera/data/model_pixels.hpp>

#include "inputs.hpp"
#include "long_work.hpp"
#include "program.hpp"
#include "signals.hpp"

namespace program {

using namespace tessera;
using Json = nlohmann::ordered_json;

namespace {

struct InfoArguments {
  ModelArguments model;
  std::vector<std::filesystem::path> images;
  bool json = false, verify = false, skip_broken = false;
};

/// The element types of the file's tensors, as "F32" or "F16, F32".
std::string dtypes_of(const WeightFile& file) {
  std::set<std::string_view> names;
  for (const auto& [name, tensor] : file.tensors()) names.insert(name_of(tensor.info->dtype));
  std::string text;
  for (const std::string_view name : names) text.append(text.empty() ? "" : ", ").append(name);
  return text;
}

/// What the file holds beside the weights that are loaded: how many tensors of each kind.
Json extras_of(const WeightFile& file) {
  const std::map<TensorRole, const char*> kinds{{TensorRole::alias, "aliases"},
                                                {TensorRole::averaged, "averaged_weights"},
                                                {TensorRole::optimizer, "optimizer_state"},
                                                {TensorRole::statistics, "codebook_statistics"}};
  const TensorNames names(file);
  Json counts = Json::object();
  for (const auto& [name, tensor] : file.tensors()) {
    const auto kind = kinds.find(names.role(name));
    if (kind != kinds.end()) counts[kind->second] = counts.value(kind->second, 0) + 1;
  }
  return counts;
}

/// Numbers that encoding needs, and that decoding needs; the codebook counts for both.
Json parameters_of(const Preset& preset) {
  Index encode = 0, decode = 0;
  for (const Parameter& p : preset.tensors()) {
    const bool codebook = p.name.starts_with("quantize");
    const bool encoder = p.name.starts_with("encoder.") || p.name == "latent_tokens";
    if (encoder || codebook) encode += p.dims.count();
    if (!encoder || codebook) decode += p.dims.count();
  }
  return {{"all", preset.parameters}, {"encode", encode}, {"decode", decode}};
}

/// Every tensor with values that are NaN or infinite, and how many they are.
Json not_finite_in(const WeightFile& file, const Preset& preset) {
  const std::string prefix = TensorNames(file).prefix();
  const std::vector<Parameter>& parameters = preset.tensors();
  std::vector<Index> counts(parameters.size());
  parallel_for_or_throw(static_cast<Index>(parameters.size()), [&](Index i) {
    const StoredTensor& tensor = *file.find(prefix + parameters[static_cast<std::size_t>(i)].name);
    std::vector<float> values(static_cast<std::size_t>(parameters[static_cast<std::size_t>(i)].dims.count()));
    tensor.file->read_float32(*tensor.info, values);
    counts[static_cast<std::size_t>(i)] = std::ranges::count_if(values, [](float x) { return !std::isfinite(x); });
  });
  Json result = Json::object();
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] > 0) result[prefix + parameters[i].name] = counts[i];
  }
  return result;
}

Json codebook_of(const WeightFile& file, const Preset& preset) {
  const Config& c = preset.config;
  if (!c.has_codes()) return nullptr;
  std::vector<float> codes(static_cast<std::size_t>(c.codebook_size * c.code_dim));
  for (const Parameter& p : preset.tensors()) {
    if (!p.name.starts_with("quantize")) continue;
    const StoredTensor& tensor = *file.find(TensorNames(file).prefix() + p.name);
    tensor.file->read_float32(*tensor.info, codes);
  }
  const CodebookHealth health = codebook_health(codes, c.codebook_size, c.metric);
  return {{"duplicates", health.duplicates}, {"dead", health.dead}, {"untrained", health.untrained}};
}

/// Each device that the program can run the model on, with the precisions there.
Json devices_of(std::string_view preset) {
  Json devices = Json::object();
  for (const Device device : {Device::cpu, Device::cuda}) {
    for (const Precision precision : {Precision::f32, Precision::tf32, Precision::bf16}) {
      if (find_preset(preset, {device, precision})) devices[name_of(device)].push_back(name_of(precision));
    }
  }
  return devices;
}

/// Which codes some images choose. A signal ends it early: then "stopped" says how.
Json use_by(const InfoArguments& a, AnyTokenizer& tokenizer) {
  const Config& c = tokenizer.config();
  const Inputs inputs(a.images, c, {});
  LongWork work("--images", inputs.count(), a.skip_broken);
  std::vector<std::int64_t> counts(static_cast<std::size_t>(c.codebook_size));
  std::vector<Index> all(static_cast<std::size_t>(inputs.count()));
  std::iota(all.begin(), all.end(), Index{0});
  std::vector<float> images, margins;
  std::vector<Token> ids;
  Index encoded = 0;
  std::string stopped;
  try {
    work.run(all, c, ": the codes are those of these", [&](View<const Index> items, bool) {
      const std::vector<Index> good = inputs.read(items, images, work);
      if (good.empty()) return;
      ids.resize(good.size() * static_cast<std::size_t>(c.tokens()));
      margins.resize(ids.size());
      tokenizer.encode(images, ids, margins);
      require_finite(a.model.path.string() + ", distances of codes", margins, good);
      for (const Token id : ids) ++counts[static_cast<std::size_t>(id)];
      encoded += static_cast<Index>(good.size());
    });
    work.finish("all of them (--skip-broken leaves it out)");
  } catch (const Stopped& signal) {
    stopped = signal.what();
  }
  const CodebookUse use = codebook_use(counts);
  Json json{{"images", encoded}, {"used", use.used}, {"unused", use.dead}, {"perplexity", use.perplexity}};
  if (!stopped.empty()) json["stopped"] = stopped;
  return json;
}

/// All that does not fit the preset, where an error line can hold no more than the first of it.
Json misfits_of(const WeightFile& file, const StatedConfig& stated, const Preset& preset) {
  const TensorDifferences tensors = tensor_differences(file, preset.tensors());
  return {{"file", file.path()},
          {"found", summary(config_of_tensors(file))},
          {"expected", summary(preset.config)},
          {"preset", preset.name},
          {"stated_otherwise", differences(stated, preset.config)},
          {"missing", tensors.missing},
          {"misshapen", tensors.misshapen},
          {"mistyped", tensors.mistyped},
          {"unknown", tensors.unknown}};
}

void print_json(const Json& json) {
  std::printf("%s\n", json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
}

/// The error of a file that info cannot describe, and all that does not fit where that is it.
Json failure_of(const ModelArguments& model, const std::exception& error) {
  Json failure{{"error", error.what()}};
  try {
    const WeightFile file(model.path);
    const StatedConfig stated = stated_config(file);
    const Preset& preset =
        model.preset.empty() ? nearest_preset(all_presets(), file, stated) : named_preset(model.preset);
    if (!fits(file, stated, preset.config, preset.tensors())) failure.update(misfits_of(file, stated, preset));
  } catch (const std::exception&) {
    // The error says it all.
  }
  return failure;
}

/// What the file carries to be checked: "nothing", "an image" or "broken", and why; after --verify "passed" or
/// "failed", and how, or "not checked" where the model does not load.
Json self_check_of(const WeightFile& file, const Config& config, bool verify, AnyTokenizer* tokenizer) {
  std::optional<SelfCheck> check;
  try {
    check = stated_self_check(file, config);
  } catch (const Error& error) {
    return {{"state", "broken"}, {"error", error.what()}};
  }
  if (!check) return {{"state", "nothing"}};
  if (!verify || tokenizer == nullptr) return {{"state", verify ? "not checked" : "an image"}};
  const SelfCheckResult result = tokenizer->verify(*check);
  return {{"state", result.passed() ? "passed" : "failed"},
          {"different", result.different},
          {"largest_difference", result.largest_difference}};
}

Json describe(const InfoArguments& a) {
  const Preset& preset = a.model.find_preset();
  const Config& c = preset.config;
  if (!a.images.empty() && !c.has_codes()) {
    throw UsageError("--images: found images, expected none: this model has no codes that they could use");
  }
  const WeightFile file(a.model.path);
  const StatedConfig stated = stated_config(file);
  if (!fits(file, stated, c, preset.tensors())) throw misfit(file, stated, c, preset.tensors());
  const Json parameters = parameters_of(preset);
  Json info{{"file", file.path()},
            {"preset", preset.name},
            {"family", family_of(c)},
            {"dtype", dtypes_of(file)},
            {"prefix", TensorNames(file).prefix()},
            {"extras", extras_of(file)},
            {"parameters", parameters["all"]},
            {"encode_parameters", parameters["encode"]},
            {"decode_parameters", parameters["decode"]},
            {"input_range", {input_range(c).lowest, input_range(c).highest}},
            {"tokens", c.tokens()},
            {"codebook_size", c.codebook_size},
            {"code_dim", c.code_dim},
            {"bits_per_token", c.bits_per_token()},
            {"bits_per_image", c.bits_per_image()},
            {"compression_ratio", c.compression_ratio()},
            {"codebook", codebook_of(file, preset)},
            {"encode_flops", encode_flops(c)},
            {"decode_flops", decode_flops(c)},
            {"devices", devices_of(preset.name)},
            {"weight_bytes", preset.weight_bytes()},
            {"batch", preset.batch},
            {"encode_bytes", preset.encode_bytes},
            {"decode_bytes", preset.decode_bytes},
            {"not_finite", not_finite_in(file, preset)},
            {"config", Json::parse(to_json_text(c))}};
  const bool wanted = (a.verify || !a.images.empty()) && info["not_finite"].empty();  // else it would not load
  const std::unique_ptr<AnyTokenizer> tokenizer = wanted ? a.model.load(preset) : nullptr;
  info["self_check"] = self_check_of(file, c, a.verify, tokenizer.get());
  if (!a.images.empty() && tokenizer) info["codebook"]["use"] = use_by(a, *tokenizer);
  return info;
}

void print_codebook(const Json& info) {
  const Json& codebook = info["codebook"];
  const auto integer = [](const Json& part, const char* key) { return part[key].get<Index>(); };
  std::printf("codebook    %td codes of dimension %td, %s; %td duplicates, %td dead, %td never trained\n",
              integer(info, "codebook_size"), integer(info, "code_dim"),
              info["config"]["metric"].get<std::string>().c_str(), integer(codebook, "duplicates"),
              integer(codebook, "dead"), integer(codebook, "untrained"));
  if (!codebook.contains("use")) return;
  const Json& use = codebook["use"];
  std::printf("            %td used and %td unused by %td images, perplexity %.1f\n", use["used"].get<Index>(),
              use["unused"].get<Index>(), use["images"].get<Index>(), use["perplexity"].get<double>());
}

void print_text(const Json& info) {
  const auto text = [&](const char* key) { return info[key].get<std::string>(); };
  const auto integer = [&](const char* key) { return info[key].get<Index>(); };
  const auto number = [&](const char* key) { return info[key].get<double>(); };
  const auto size = [](const Json& part, const char* key) { return part[key].get<Index>(); };
  const Json& c = info["config"];
  std::printf("%s\n", one_line(text("file")).c_str());
  std::printf("preset      %s (%s family), %s\n", text("preset").c_str(), text("family").c_str(),
              text("dtype").c_str());
  std::printf("image       %td x %td, %td channels, patches of %td\n", size(c["image"], "height"),
              size(c["image"], "width"), size(c, "channels"), size(c, "patch_size"));
  std::printf("            values from %.4g to %.4g\n", info["input_range"][0].get<double>(),
              info["input_range"][1].get<double>());
  for (const char* part : {"encoder", "decoder"}) {
    std::printf("%-11s %td blocks of width %td, %td heads\n", part, size(c[part], "depth"), size(c[part], "dim"),
                size(c[part], "heads"));
  }
  if (const Json& p = c["pixel_decoder"]; size(p, "hidden_channels") > 0) {
    std::printf("            then %td codes of dimension %td and convolutions of %td channels and more\n",
                size(p, "codebook_size"), size(p, "z_channels"), size(p, "hidden_channels"));
  }
  if (const Json& t = c["text"]; size(t, "length") > 0) {
    std::printf("text        %td embeddings of width %td, for the decoder\n", size(t, "length"), size(t, "width"));
  }
  std::printf("parameters  %td: %td to encode, %td to decode\n", integer("parameters"), integer("encode_parameters"),
              integer("decode_parameters"));
  if (info["codebook"].is_null())
    std::printf("tokens      %td of %td numbers, continuous: %td bits an image, %.6g : 1\n", integer("tokens"),
                size(c, "code_dim"), integer("bits_per_image"), number("compression_ratio"));
  else
    std::printf("tokens      %td of %td bits: %td bits an image, %.6g : 1\n", integer("tokens"),
                integer("bits_per_token"), integer("bits_per_image"), number("compression_ratio"));
  if (!info["codebook"].is_null()) print_codebook(info);
  std::printf("encode      %.4g GFLOP an image\n", number("encode_flops") * 1e-9);
  std::printf("decode      %.4g GFLOP an image\n", number("decode_flops") * 1e-9);
  std::string devices;
  for (const auto& [device, precisions] : info["devices"].items()) {
    devices.append(devices.empty() ? "" : "; ").append(device).append(" in");
    for (const Json& precision : precisions) devices.append(" ").append(precision.get<std::string>());
  }
  std::printf("runs on     %s\n", devices.c_str());
  std::printf("memory      %.1f MB of weights, %.1f MB to encode, %.1f MB to decode (images at a time: %td)\n",
              number("weight_bytes") * 1e-6, number("encode_bytes") * 1e-6, number("decode_bytes") * 1e-6,
              integer("batch"));
  if (!text("prefix").empty()) std::printf("names       begin with '%s'\n", one_line(text("prefix")).c_str());
  const std::string check = info["self_check"]["state"].get<std::string>();
  std::printf("self-check  %s\n", check == "nothing"       ? "the file carries no image to check"
                                  : check == "an image"    ? "the file carries an image and its tokens (see --verify)"
                                  : check == "broken"      ? "BROKEN: what the file carries is no check"
                                  : check == "not checked" ? "not done: the model does not load"
                                  : check == "passed"      ? "passed: the file's image still gives its tokens"
                                                           : "FAILED: the file's image gives other tokens");
  for (const auto& [kind, count] : info["extras"].items()) {
    std::printf("not loaded  %td tensors: %s\n", count.get<Index>(), kind.c_str());
  }
}

/// Throws Error: bad_file with the values that keep the model from loading; mismatch where --verify did not pass.
/// Throws std::runtime_error with the line about a check that is none, if it was to be verified.
void check(const Json& info, bool verify) {
  std::string tensors;
  for (const auto& [name, count] : info["not_finite"].items()) {
    tensors += (tensors.empty() ? "" : ", ") + ("'" + name + "' (" + count.dump() + ")");
  }
  const std::string file = info["file"].get<std::string>(), state = info["self_check"]["state"].get<std::string>();
  if (!tensors.empty()) throw Error(ErrorCode::bad_file, file, "NaN or infinity in " + tensors, "finite weights");
  if (!verify) return;
  if (state == "broken") throw std::runtime_error(info["self_check"]["error"].get<std::string>());
  if (state == "nothing") throw Error(ErrorCode::mismatch, file, "no image to check", "a model that tessera saved");
  if (state == "failed") require_passed(file, {.different = info["self_check"]["different"].get<Index>()});
}

void info(const InfoArguments& a) {
  Json description;
  try {
    description = describe(a);
  } catch (const Error& error) {
    if (a.json) print_json(failure_of(a.model, error));
    throw;
  }
  if (a.json)
    print_json(description);
  else
    print_text(description);
  check(description, a.verify);
  if (const Json& codebook = description["codebook"]; codebook.contains("use") && codebook["use"].contains("stopped")) {
    throw Stopped(codebook["use"]["stopped"].get<std::string>());
  }
}

}  // namespace

void add_info(CLI::App& app, std::function<void()>& run) {
  CLI::App& c = *app.add_subcommand("info", "say what a model is, what it costs, and what is wrong with it");
  const auto a = std::make_shared<InfoArguments>();
  c.add_option("model", a->model.path, model_path_text)->required();
  add_preset(c, a->model.preset);
  add_device(c, a->model.on);
  c.add_option(
      "--images", a->images,
      std::string("JPEG and PNG files, folders of them, or one .npy: say which codes they use. ") + image_folder_rule);
  add_skip_broken(c, a->skip_broken);
  c.add_flag("--verify", a->verify,
             "encode again the image that the file carries: exit code 1 if this build gives it other tokens");
  c.add_flag("--json", a->json, "as JSON");
  c.callback([a, &run] { run = [a] { info(*a); }; });
}

}  // namespace program
