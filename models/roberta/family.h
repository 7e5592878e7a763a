// What a RoBERTa with a classification head says of its files and adapters.
#pragma once
#include "models/hub/family.h"

namespace lowland {

HubFamily roberta_family();

}  // namespace lowland
