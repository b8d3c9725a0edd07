#include "good_config.hpp"

template struct tessera::CheckedConfig<good>;
