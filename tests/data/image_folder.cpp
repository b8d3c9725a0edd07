#include <tessera/data/image_folder.hpp>

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <files.hpp>

using namespace tessera_test;

namespace {

using Names = std::vector<std::string>;

/// The files that are found, without the folder before them.
Names names(const std::filesystem::path& folder, const tessera::ImageListing& listing) {
  Names found;
  for (const std::string& path : listing.files) found.push_back(path.substr(folder.string().size() + 1));
  return found;
}

void fill(const TemporaryFolder& folder, const std::vector<std::string>& files) {
  for (const std::string& file : files) {
    std::filesystem::create_directories((folder / file).parent_path());
    write_bytes(folder / file, "x");
  }
}

}  // namespace

TEST_CASE("list_images finds JPEG and PNG endings below a folder, sorted") {
  const TemporaryFolder folder;
  fill(folder, {"z.PNG", "b/deep.png/1.Jpeg", "b/a.jpg", "a.jpg", "e.jfif", "f.JPE"});
  const auto listing = tessera::list_images(folder.path());
  CHECK(names(folder.path(), listing) == Names{"a.jpg", "b/a.jpg", "b/deep.png/1.Jpeg", "e.jfif", "f.JPE", "z.PNG"});
  CHECK(listing.left_out.count() == 0);
  CHECK(listing.left_out.text().empty());
  CHECK(tessera::list_images(folder.path() / "").files == listing.files);  // a slash at the end
}

TEST_CASE("list_images counts what it leaves out: other endings, hidden names, folders of systems") {
  const TemporaryFolder folder;
  fill(folder, {"IMG_1.jpg", "._IMG_1.jpg", ".ipynb_checkpoints/a.png", "__MACOSX/._IMG_1.jpg", "@eaDir/b.jpg",
                "c.webp", "d.WEBP", "e.tif", "f.heic", "png", "x.png.bak", "of a name.with a long ending"});
  REQUIRE(::mkfifo((folder / "pipe.png").c_str(), 0600) == 0);
  const auto listing = tessera::list_images(folder.path());
  CHECK(names(folder.path(), listing) == Names{"IMG_1.jpg"});
  CHECK(listing.left_out.text() ==
        "left out 12 files: 2 .webp, 1 .bak, 1 .heic, 1 .tif, 2 with other endings, 4 hidden, 1 that is no file");
  // What is named is read.
  CHECK(names(folder / "@eaDir", tessera::list_images(folder / "@eaDir")) == Names{"b.jpg"});
  CHECK(names(folder / ".ipynb_checkpoints", tessera::list_images(folder / ".ipynb_checkpoints")) == Names{"a.png"});
  CHECK(contains(error_line([&] { tessera::list_images(folder / "__MACOSX"); }),
                 "found no image (left out 1 file: 1 hidden), expected .jpg"));
}

TEST_CASE("list_images: a million endings take no more memory or text than a thousand") {
  const TemporaryFolder folder;
  fill(folder, {"a.png"});
  for (int i = 0; i < 1500; ++i) write_bytes(folder / ("b." + std::to_string(i)), "");
  const tessera::LeftOut left_out = tessera::list_images(folder.path()).left_out;
  CHECK(left_out.count() == 1500);
  CHECK(left_out.endings.size() <= 1001);
  CHECK(left_out.text().size() < 300);
}

TEST_CASE("list_images follows links, each folder once, and names broken ones") {
  const TemporaryFolder folder;
  fill(folder, {"real/a.jpg", "data/own.png", "outside/b.png"});
  const auto link = [&](const char* to, const char* name) { REQUIRE(::symlink(to, (folder / name).c_str()) == 0); };
  link("../outside", "data/class0");
  link("../outside", "data/class1");  // the same folder
  link("..", "data/up");              // a loop
  link("../real/a.jpg", "data/linked.jpg");
  link("/not/there.jpg", "data/gone.jpg");
  link("around.jpg", "data/around.jpg");
  const auto listing = tessera::list_images(folder / "data");
  CHECK(names(folder / "data", listing) == Names{"class0/b.png", "linked.jpg", "own.png", "up/real/a.jpg"});
  CHECK(listing.left_out.text() == "left out 2 files: 2 broken links (" + (folder / "data/around.jpg").string() + ", " +
                                       (folder / "data/gone.jpg").string() + ")");
  // A folder is found where it lies, not behind the link that sorts before it.
  CHECK(names(folder.path(), tessera::list_images(folder.path())) ==
        Names{"data/linked.jpg", "data/own.png", "outside/b.png", "real/a.jpg"});
  link("real", "link");
  CHECK(names(folder / "link", tessera::list_images(folder / "link")) == Names{"a.jpg"});
}

TEST_CASE("list_images leaves out folders of results, but not one that is named") {
  const TemporaryFolder folder;
  const std::string marker(tessera::results_marker);
  fill(folder, {"a.jpg", ".0123456789abcdef.tessera-part", "run/samples/step.png", "run/" + marker, "x/deep/b.png",
                "x/deep/" + marker});
  const auto listing = tessera::list_images(folder.path());
  CHECK(names(folder.path(), listing) == Names{"a.jpg"});
  CHECK(listing.left_out.text() == "left out 2 files: 2 folders of tessera's results");
  const auto run = tessera::list_images(folder / "run");
  CHECK(names(folder / "run", run) == Names{"samples/step.png"});
  CHECK(run.left_out.count() == 0);
}

TEST_CASE("list_images names a folder that is missing, a file, without images, or not to be read") {
  const TemporaryFolder folder;
  CHECK(contains(error_line([&] { tessera::list_images(folder / "no"); }), "no: found No such file"));
  write_bytes(folder / "x.png", "x");
  CHECK(contains(error_line([&] { tessera::list_images(folder / "x.png"); }), "Not a directory"));
  std::filesystem::create_directory(folder / "empty");
  CHECK(contains(error_line([&] { tessera::list_images(folder / "empty"); }), "empty: found no image, expected"));
  if (::geteuid() == 0) return;  // who may read everything
  std::filesystem::permissions(folder / "empty", std::filesystem::perms::none);
  CHECK(contains(error_line([&] { tessera::list_images(folder.path()); }), "empty: found Permission denied"));
  std::filesystem::permissions(folder / "empty", std::filesystem::perms::owner_all);
}
