"""Templates in the manner of model families: the features that their releases use, in words of our own."""

DEEPSEEK_HYBRID = r"""
{%- if not add_generation_prompt is defined -%}{%- set add_generation_prompt = false -%}{%- endif -%}
{%- if not thinking is defined -%}{%- if enable_thinking is defined -%}{%- set thinking = enable_thinking -%}{%- else -%}{%- set thinking = false -%}{%- endif -%}{%- endif -%}
{%- set ns = namespace(first=true, tool_open=false, last_user=false, system='', after_user=false) -%}
{%- for message in messages -%}
  {%- if message['role'] == 'system' -%}
    {%- if ns.first -%}{%- set ns.system = ns.system + message['content'] -%}{%- set ns.first = false -%}
    {%- else -%}{%- set ns.system = ns.system + '\n\n' + message['content'] -%}{%- endif -%}
  {%- endif -%}
{%- endfor -%}
{%- if tools is defined and tools is not none -%}
  {%- set decl = namespace(text='## Functions\nCall them like this.\n') -%}
  {%- for tool in tools -%}
    {%- set decl.text = decl.text + '\n### ' + tool.function.name + '\nAbout: ' + (tool.function.description or '-') + '\n\nSchema: ' + (tool.function.parameters | tojson) + '\n' -%}
  {%- endfor -%}
  {%- if ns.system | length != 0 -%}{%- set ns.system = ns.system + '\n\n' + decl.text -%}{%- else -%}{%- set ns.system = decl.text -%}{%- endif -%}
{%- endif -%}
{{- bos_token }}{{ ns.system -}}
{%- for message in messages %}
{%- if message['role'] == 'user' %}
{%- set ns.tool_open = false -%}{%- set ns.after_user = true -%}
{{- '<|User|>' + message['content'] }}
{%- endif %}
{%- if message['role'] == 'assistant' and message['tool_calls'] is defined and message['tool_calls'] is not none %}
{%- if ns.after_user %}{{- '<|Assistant|></think>' }}{%- endif %}
{%- set ns.after_user = false -%}{%- set ns.first = true -%}{%- set ns.tool_open = false -%}
{%- for call in message['tool_calls'] %}
{%- if ns.first %}
{%- if message['content'] is none %}{{- '<|calls|><|call|>' + call['function']['name'] + '<|sep|>' + (call['function']['arguments'] if call['function']['arguments'] is string else call['function']['arguments'] | tojson) + '<|end_call|>' }}
{%- else %}{{- message['content'] + '<|calls|><|call|>' + call['function']['name'] + '<|sep|>' + (call['function']['arguments'] if call['function']['arguments'] is string else call['function']['arguments'] | tojson) + '<|end_call|>' }}{%- endif %}
{%- set ns.first = false -%}
{%- else %}{{- '<|call|>' + call['function']['name'] + '<|sep|>' + (call['function']['arguments'] | string) + '<|end_call|>' }}{%- endif %}
{%- endfor %}
{{- '<|end_calls|>' + eos_token }}
{%- elif message['role'] == 'assistant' %}
{%- if ns.after_user %}{{- '<|Assistant|>' }}{%- if message['prefix'] is defined and message['prefix'] and thinking %}{{- '<think>' }}{%- else %}{{- '</think>' }}{%- endif %}{%- endif %}
{%- set ns.after_user = false -%}
{%- if ns.tool_open %}{{- message['content'] + eos_token }}{%- set ns.tool_open = false -%}
{%- else -%}{%- set content = message['content'] -%}
{%- if '</think>' in content %}{%- set content = content.split('</think>', 1)[1] -%}{%- endif %}
{{- content + eos_token }}{%- endif %}
{%- endif %}
{%- if message['role'] == 'tool' %}
{%- set ns.after_user = false -%}{%- set ns.tool_open = true -%}
{{- '<|output|>' + message['content'] + '<|end_output|>' }}
{%- endif %}
{%- if message['role'] != 'system' %}{%- set ns.last_user = message['role'] == 'user' -%}{%- endif %}
{%- endfor -%}
{%- if add_generation_prompt and ns.last_user and not ns.tool_open %}{{- '<|Assistant|>' }}{%- if not thinking %}{{- '</think>' }}{%- else %}{{- '<think>' }}{%- endif %}{%- endif %}
"""

KIMI_STYLE = r"""{% macro show(content) %}{% if content is string %}{{ content }}{% elif content is iterable and content is not mapping %}{% for part in content %}{% if part['type'] == 'text' %}{{ part['text'] }}{% elif part['type'] in ['image', 'image_url'] or 'image' in part %}<|media|>{% else %}{{ part }}{% endif %}{% endfor %}{% endif %}{% endmacro %}
{%- macro role_of(message) -%}
  {%- set name = message.get('name') or message['role'] -%}
  {%- if message['role'] == 'user' -%}<|im_user|>{{ name }}<|im_middle|>
  {%- elif message['role'] == 'assistant' -%}<|im_assistant|>{{ name }}<|im_middle|>
  {%- else -%}<|im_system|>{{ name }}<|im_middle|>
  {%- endif -%}
{%- endmacro -%}
{%- macro calls_of(message) -%}
<|calls_begin|>
{%- for call in message['tool_calls'] -%}
{%- set id = call.get('id', 'functions.' ~ call['function']['name'] ~ ':' ~ loop.index0) -%}
<|call_begin|>{{ id }}<|arguments|>{% if call['function']['arguments'] is string %}{{ call['function']['arguments'] }}{% else %}{{ call['function']['arguments'] | tojson }}{% endif %}<|call_end|>
{%- endfor -%}
<|calls_end|>
{%- endmacro -%}
{%- if tools -%}
<|im_system|>tool_declare<|im_middle|>{{ tools | tojson(separators=(',', ':')) }}<|im_end|>
{%- endif -%}
{%- for message in messages -%}
  {%- if loop.first and messages[0]['role'] != 'system' -%}
<|im_system|>system<|im_middle|>You are helpful.<|im_end|>
  {%- endif -%}
  {{ role_of(message) }}
  {%- if message['role'] == 'assistant' and message.get('tool_calls') -%}
    {{ show(message['content']) }}{{ calls_of(message) }}
  {%- elif message['role'] == 'tool' -%}
    {%- set id = message['tool_call_id'] | default('?') -%}
## Return of {{ id }}
{{ show(message['content']) }}
  {%- elif message['content'] is not none -%}
    {{ show(message['content']) }}
  {%- endif -%}
<|im_end|>
{%- endfor -%}
{%- if add_generation_prompt -%}
<|im_assistant|>assistant<|im_middle|>
{%- endif -%}"""

GLM_STYLE = r"""[start]<sop>
{%- if tools -%}
<|system|>
# Tools
{% for tool in tools %}
{{ tool.function | tojson(ensure_ascii=False) if 'function' in tool else tool | tojson(ensure_ascii=False) }}
{% endfor %}
</tools>
{%- endif -%}
{%- macro visible_text(content) -%}
    {%- if content is string -%}
        {{- content }}
    {%- elif content is iterable and content is not mapping -%}
        {%- for item in content -%}
            {%- if item is mapping and item.type == 'text' -%}
                {{- item.text }}
            {%- elif item is string -%}
                {{- item }}
            {%- endif -%}
        {%- endfor -%}
    {%- elif content is none -%}
    {%- else -%}
        {{- content }}
    {%- endif -%}
{%- endmacro -%}
{%- set ns = namespace(last_user_index=-1) %}
{%- for m in messages %}
    {%- if m.role == 'user' %}
        {%- set ns.last_user_index = loop.index0 -%}
    {%- endif %}
{%- endfor %}
{% for m in messages %}
{%- if m.role == 'user' -%}<|user|>{{ visible_text(m.content) }}
{%- elif m.role == 'assistant' -%}
<|assistant|>
{%- set reasoning_content = '' %}
{%- set content = visible_text(m.content) %}
{%- if m.reasoning_content is string %}
    {%- set reasoning_content = m.reasoning_content %}
{%- else %}
    {%- if '</think>' in content %}
        {%- set reasoning_content = content.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') %}
        {%- set content = content.split('</think>')[-1].lstrip('\n') %}
    {%- endif %}
{%- endif %}
{%- if ((clear_thinking is defined and not clear_thinking) or loop.index0 > ns.last_user_index) and reasoning_content -%}
{{ '<think>' + reasoning_content.strip() +  '</think>'}}
{%- else -%}
{{ '</think>' }}
{%- endif -%}
{%- if content.strip() -%}
{{ content.strip() }}
{%- endif -%}
{% if m.tool_calls %}
{% for tc in m.tool_calls %}
{%- if tc.function %}
    {%- set tc = tc.function %}
{%- endif %}
{{- '<call>' + tc.name -}}
{% set _args = tc.arguments %}{% if _args is mapping %}{% for k, v in _args.items() %}<key>{{ k }}</key><value>{{ v | tojson(ensure_ascii=False) if v is not string else v }}</value>{% endfor %}{% else %}{{ _args }}{% endif %}</call>{% endfor %}
{% endif %}
{%- elif m.role == 'tool' -%}
{%- if m.content is string -%}
{%- if loop.first or (messages[loop.index0 - 1].role != "tool") %}
    {{- '<|observation|>' }}
{%- endif %}
{{- '<response>' }}
{{- m.content }}
{{- '</response>' -}}
{% else -%}
<|observation|>{% for tr in m.content %}
<response>{{ tr.output if tr.output is defined else tr }}</response>{% endfor -%}
{% endif -%}
{%- elif m.role == 'system' -%}
<|system|>{{ visible_text(m.content) }}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
    <|assistant|>{{- '</think>' if (enable_thinking is defined and not enable_thinking) else '<think>' -}}
{%- endif -%}"""

CHATML_THINKING = r"""
{%- if tools %}
    {{- '<|im_start|>system\n' }}
    {%- if messages[0].role == 'system' %}
        {{- messages[0].content + '\n\n' }}
    {%- endif %}
    {{- "# Tools\n\n<tools>" }}
    {%- for tool in tools %}
        {{- "\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\n</tools><|im_end|>\n" }}
{%- else %}
    {%- if messages[0].role == 'system' %}
        {{- '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}
    {%- endif %}
{%- endif %}
{%- set ns = namespace(multi_step=true, last_query=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step and message.role == "user" and message.content is string and not(message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
        {%- set ns.multi_step = false %}
        {%- set ns.last_query = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.content is string %}
        {%- set content = message.content %}
    {%- else %}
        {%- set content = '' %}
    {%- endif %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\n' + content + '<|im_end|>' + '\n' }}
    {%- elif message.role == "assistant" %}
        {%- set reasoning = '' %}
        {%- if message.reasoning_content is string %}
            {%- set reasoning = message.reasoning_content %}
        {%- elif '</think>' in content %}
            {%- set reasoning = content.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') %}
            {%- set content = content.split('</think>')[-1].lstrip('\n') %}
        {%- endif %}
        {%- if loop.index0 > ns.last_query and (loop.last or (not loop.last and reasoning)) %}
            {{- '<|im_start|>' + message.role + '\n<think>\n' + reasoning.strip('\n') + '\n</think>\n\n' + content.lstrip('\n') }}
        {%- else %}
            {{- '<|im_start|>' + message.role + '\n' + content }}
        {%- endif %}
        {%- if message.tool_calls %}
            {%- for tool_call in message.tool_calls %}
                {%- if (loop.first and content) or (not loop.first) %}
                    {{- '\n' }}
                {%- endif %}
                {%- if tool_call.function %}
                    {%- set tool_call = tool_call.function %}
                {%- endif %}
                {{- '<tool_call>\n{"name": "' }}
                {{- tool_call.name }}
                {{- '", "arguments": ' }}
                {%- if tool_call.arguments is string %}
                    {{- tool_call.arguments }}
                {%- else %}
                    {{- tool_call.arguments | tojson }}
                {%- endif %}
                {{- '}\n</tool_call>' }}
            {%- endfor %}
        {%- endif %}
        {{- '<|im_end|>\n' }}
    {%- elif message.role == "tool" %}
        {%- if loop.first or (messages[loop.index0 - 1].role != "tool") %}
            {{- '<|im_start|>user' }}
        {%- endif %}
        {{- '\n<tool_response>\n' }}
        {{- content }}
        {{- '\n</tool_response>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}
            {{- '<|im_end|>\n' }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\n\n</think>\n\n' }}
    {%- endif %}
{%- endif %}
"""

DATED_HEADERS = r"""{{- bos_token }}
{%- if custom_tools is defined %}
    {%- set tools = custom_tools %}
{%- endif %}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}
        {%- set date_string = strftime_now("%d %b %Y") %}
    {%- else %}
        {%- set date_string = "26 Jul 2024" %}
    {%- endif %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|header|>system<|end_header|>\n\n" }}
{{- "Today Date: " + date_string + "\n\n" }}
{%- if tools is not none %}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\n\n" }}
    {%- endfor %}
{%- endif %}
{{- system_message }}
{{- "<|eot|>" }}
{%- for message in messages %}
    {%- if not (message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|header|>' + message['role'] + '<|end_header|>\n\n'+ message['content'] | trim + '<|eot|>' }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls|length == 1 %}
            {{- raise_exception("This model only supports single tool-calls at once!") }}
        {%- endif %}
        {%- set tool_call = message.tool_calls[0].function %}
        {{- '<|header|>assistant<|end_header|>\n\n' -}}
        {{- '{"name": "' + tool_call.name + '", ' }}
        {{- '"parameters": ' }}
        {{- tool_call.arguments | tojson }}
        {{- "}" }}
        {{- "<|eot|>" }}
    {%- elif message.role == "tool" %}
        {{- "<|header|>ipython<|end_header|>\n\n" }}
        {%- if message.content is mapping or message.content is iterable %}
            {{- message.content | tojson }}
        {%- else %}
            {{- message.content }}
        {%- endif %}
        {{- "<|eot|>" }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|header|>assistant<|end_header|>\n\n' }}
{%- endif %}
"""

ALTERNATING = r"""{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}{% for message in loop_messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}{% if loop.index0 == 0 and system_message != false %}{% set content = '<<SYS>>\n' + system_message + '\n<</SYS>>\n\n' + message['content'] %}{% else %}{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}{{ '[INST] ' + content.strip() + ' [/INST]' }}{% elif message['role'] == 'assistant' %}{% generation %}{{ ' ' + content.strip() + ' ' + eos_token }}{% endgeneration %}{% endif %}{% endfor %}"""

TEMPLATES = {
    "deepseek-hybrid": DEEPSEEK_HYBRID,
    "kimi-style": KIMI_STYLE,
    "glm-style": GLM_STYLE,
    "chatml-thinking": CHATML_THINKING,
    "dated-headers": DATED_HEADERS,
    "alternating": ALTERNATING,
}

_TOOLS = [
    {"type": "function", "function": {"name": "get_weather", "description": "Weather of a <city> & more, 天气", "parameters": {
        "type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer", "default": 3}, "scale": {"enum": ["c", 1.5, None, True]}},
        "required": ["city"]}}},
    {"type": "function", "function": {"name": "now", "description": None, "parameters": {}}},
]
_BASE = {"bos_token": "<s>", "eos_token": "</s>"}
_USER = {"role": "user", "content": "  What's the weather in Zürich? 🌦\n"}
_CALL = {"role": "assistant", "content": None, "tool_calls": [
    {"id": "call_0", "type": "function", "function": {"name": "get_weather", "arguments": {"city": "Zürich", "days": 2}}}]}
_CALLS = {"role": "assistant", "content": "Looking.", "tool_calls": [
    {"type": "function", "function": {"name": "get_weather", "arguments": "{\"city\": \"Bern\"}"}},
    {"type": "function", "function": {"name": "now", "arguments": "{}"}}]}
_OUTPUTS = [{"role": "tool", "tool_call_id": "call_0", "content": "{\"t\": 21.5}"}, {"role": "tool", "content": "12:00"}]

CONVERSATIONS = [
    {**_BASE, "messages": [_USER], "add_generation_prompt": True},
    {**_BASE, "messages": [_USER], "add_generation_prompt": True, "thinking": True},
    {**_BASE, "messages": [_USER], "add_generation_prompt": True, "enable_thinking": False, "tools": None},
    {**_BASE, "messages": [_USER], "add_generation_prompt": True, "tools": _TOOLS},
    {**_BASE, "messages": [{"role": "system", "content": "Be brief."}, _USER], "tools": [], "add_generation_prompt": False},
    {**_BASE, "messages": [{"role": "system", "content": "Be brief."}, _USER], "tools": _TOOLS},
    {**_BASE, "messages": [{"role": "system", "content": "A"}, _USER, {"role": "assistant", "content": "<think>\nhm\n</think>\n\nSunny. "},
                           {"role": "user", "content": "And now?"}], "add_generation_prompt": True},
    {**_BASE, "messages": [_USER, {"role": "assistant", "content": "Sunny.", "reasoning_content": "It is July.\n"}, {"role": "user", "content": "Sure?"}],
     "clear_thinking": False, "add_generation_prompt": True},
    {**_BASE, "messages": [_USER, _CALL, _OUTPUTS[0]], "tools": _TOOLS, "add_generation_prompt": True},
    {**_BASE, "messages": [_USER, _CALLS, *_OUTPUTS, {"role": "assistant", "content": "21.5 at noon."}], "tools": _TOOLS},
    {**_BASE, "messages": [{"role": "user", "content": [{"type": "text", "text": "Look: "}, {"type": "image", "image": "x.png"}]}], "add_generation_prompt": True},
    {**_BASE, "messages": [_USER, _USER], "add_generation_prompt": True},
    {**_BASE, "messages": [], "add_generation_prompt": True},
    {**_BASE, "add_generation_prompt": True},
    {**_BASE, "messages": [{"role": "user"}], "add_generation_prompt": True},
    {**_BASE, "messages": [{"role": "user", "content": None}, {"role": "assistant", "content": "x", "prefix": True}], "thinking": True},
    {**_BASE, "messages": [_USER, {"role": "tool", "content": [{"output": 5}, "b"]}], "date_string": "today", "custom_tools": _TOOLS[:1]},
]
