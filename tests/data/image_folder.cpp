#include <tessera/data/image_folder.hpp>

#include <doctest/doctest.h>

#include <files.hpp>

using namespace tessera_test;

TEST_CASE("list_images finds jpg, jpeg and png below a folder, sorted") {
  const TemporaryFolder folder;
  std::filesystem::create_directories(folder / "b/deep.png");  // a folder with an image's name
  for (const char* name : {"z.PNG", "b/deep.png/1.Jpeg", "b/a.jpg", "a.jpg", "notes.txt", "png", "x.png.bak"}) {
    write_bytes(folder / name, "x");
  }
  std::vector<std::string> found;
  for (const auto& path : tessera::list_images(folder.path())) {
    found.push_back(path.lexically_relative(folder.path()).string());
  }
  CHECK(found == std::vector<std::string>{"a.jpg", "b/a.jpg", "b/deep.png/1.Jpeg", "z.PNG"});
}

TEST_CASE("list_images names a folder that is missing, a file, or without images") {
  const TemporaryFolder folder;
  CHECK(contains(error_line([&] { tessera::list_images(folder / "no"); }), "no: found No such file"));
  write_bytes(folder / "x.png", "x");
  CHECK(contains(error_line([&] { tessera::list_images(folder / "x.png"); }), "Not a directory"));
  std::filesystem::create_directory(folder / "empty");
  CHECK(contains(error_line([&] { tessera::list_images(folder / "empty"); }), "empty: found no image"));
}
