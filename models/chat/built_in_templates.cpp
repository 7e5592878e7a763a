#include "models/chat/built_in_templates.h"

namespace lowland {
namespace {

const std::string kLlama2 = R"({%- for message in messages if message.role != 'system' -%}
  {%- if message.role == 'user' -%}
    {%- set text = message.content -%}
    {%- if loop.first and messages[0].role == 'system' -%}
      {%- set text = '<<SYS>>\n' ~ messages[0].content ~ '\n<</SYS>>\n\n' ~ text -%}
    {%- endif -%}
    {{- bos_token ~ '[INST] ' ~ text | trim ~ ' [/INST]' -}}
  {%- else -%}
    {%- generation -%}
      {{- ' ' ~ message.content | trim ~ ' ' ~ eos_token -}}
    {%- endgeneration -%}
  {%- endif -%}
{%- endfor -%}
)";

// dated: whether the system block is always there, with two dates.
const std::string kLlama3 = R"({%- macro header(role) -%}
  {{- '<|start_header_id|>' ~ role ~ '<|end_header_id|>\n\n' -}}
{%- endmacro -%}
{{- bos_token -}}
{%- set has_system = messages[0].role == 'system' -%}
{%- if dated or has_system -%}
  {{- header('system') -}}
  {%- if dated -%}
    {{- 'Cutting Knowledge Date: December 2023\nToday Date: ' ~ date_string ~ '\n\n' -}}
  {%- endif -%}
  {%- if has_system -%}
    {{- messages[0].content | trim -}}
  {%- endif -%}
  {{- '<|eot_id|>' -}}
{%- endif -%}
{%- for message in messages if message.role != 'system' -%}
  {{- header(message.role) -}}
  {%- if message.role == 'assistant' -%}
    {%- generation -%}
      {{- message.content | trim ~ '<|eot_id|>' -}}
    {%- endgeneration -%}
  {%- else -%}
    {{- message.content | trim ~ '<|eot_id|>' -}}
  {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
  {{- header('assistant') -}}
{%- endif -%}
)";

// helpful: the system message of a conversation without one.
const std::string kChatml = R"({%- if helpful and messages[0].role != 'system' -%}
  {{- '<|im_start|>system\n' ~ helpful ~ '<|im_end|>\n' -}}
{%- endif -%}
{%- for message in messages -%}
  {{- '<|im_start|>' ~ message.role ~ '\n' -}}
  {%- if message.role == 'assistant' -%}
    {%- generation -%}
      {{- message.content ~ '<|im_end|>' -}}
    {%- endgeneration -%}
    {{- '\n' -}}
  {%- else -%}
    {{- message.content ~ '<|im_end|>\n' -}}
  {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
  {{- '<|im_start|>assistant\n' -}}
{%- endif -%}
)";

// open, close: around the user's text; lead: in front of an answer; late: the system message stands in the last turn;
// strips: an answer's blanks.
const std::string kMistral = R"({{- bos_token -}}
{%- for message in messages if message.role != 'system' -%}
  {%- if message.role == 'user' -%}
    {{- open -}}
    {%- if messages[0].role == 'system' and (loop.last if late else loop.first) -%}
      {{- messages[0].content ~ '\n\n' -}}
    {%- endif -%}
    {{- message.content ~ close -}}
  {%- else -%}
    {%- generation -%}
      {{- lead ~ (message.content | trim if strips else message.content) ~ eos_token -}}
    {%- endgeneration -%}
  {%- endif -%}
{%- endfor -%}
)";

const std::string kZephyr = R"({%- for message in messages -%}
  {{- '<|' ~ message.role ~ '|>\n' -}}
  {%- if message.role == 'assistant' -%}
    {%- generation -%}
      {{- message.content ~ eos_token -}}
    {%- endgeneration -%}
    {{- '\n' -}}
  {%- else -%}
    {{- message.content ~ eos_token ~ '\n' -}}
  {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
  {{- '<|assistant|>\n' -}}
{%- endif -%}
)";

// polite: the system message of a conversation without one.
const std::string kVicuna = R"({%- if polite and messages[0].role != 'system' -%}
  {{- polite ~ ' ' -}}
{%- endif -%}
{%- for message in messages -%}
  {%- if message.role == 'system' -%}
    {{- message.content ~ ' ' -}}
  {%- elif message.role == 'user' -%}
    {{- 'USER: ' ~ message.content ~ ' ' -}}
  {%- else -%}
    {{- 'ASSISTANT:' -}}
    {%- generation -%}
      {{- ' ' ~ message.content ~ eos_token -}}
    {%- endgeneration -%}
  {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
  {{- 'ASSISTANT:' -}}
{%- endif -%}
)";

const std::string kDialoGpt = R"({%- for message in messages -%}
  {%- if message.role == 'assistant' -%}
    {%- generation -%}
      {{- message.content ~ eos_token -}}
    {%- endgeneration -%}
  {%- else -%}
    {{- message.content ~ eos_token -}}
  {%- endif -%}
{%- endfor -%}
)";

const std::string kPlain = R"({%- for message in messages -%}
  {%- if message.role == 'assistant' -%}
    {%- generation -%}
      {{- message.content ~ eos_token -}}
    {%- endgeneration -%}
  {%- else -%}
    {{- message.content ~ '\n' -}}
  {%- endif -%}
{%- endfor -%}
)";

std::string with(const std::string& setting, const std::string& text) { return "{%- set " + setting + " -%}\n" + text; }

}  // namespace

const std::vector<BuiltInTemplate>& built_in_templates() {
  static const std::vector<BuiltInTemplate> templates = {
      {"llama2", kLlama2, true},
      {"llama3", kLlama3},
      {"llama3.1", with("dated = true", kLlama3)},
      {"qwen2", with("helpful = 'You are a helpful assistant.'", kChatml)},
      {"qwen2.5", with("helpful = 'You are Qwen, created by Alibaba Cloud. You are a helpful assistant.'", kChatml)},
      {"chatml", kChatml},
      {"mistral", with("open, close, lead = '[INST] ', ' [/INST]', ''", kMistral), true, false},
      {"mistral-v1", with("open, close, lead = ' [INST] ', ' [/INST]', ' '", kMistral), true},
      {"mistral-v3", with("open, close, lead, late, strips = '[INST] ', '[/INST]', ' ', true, true", kMistral), true},
      {"zephyr", kZephyr},
      {"vicuna",
       with("polite = 'A chat between a curious user and an artificial intelligence assistant. The assistant gives '\n"
            "  'helpful, detailed, and polite answers to the user\\'s questions.'",
            kVicuna),
       false, true, true},
      {"llava-hf", kVicuna, false, true, true},
      {"dialogpt", kDialoGpt},
      {"plain", kPlain, false, true, true}};
  return templates;
}

}  // namespace lowland
