"""Writes jinja_golden.json: templates of our own as transformers' environment renders them; CI needs no Python.

Usage: python make_jinja_golden.py      Needs transformers. Each case is [template, text], the text null where Python raises.
"""
import datetime
import importlib.metadata
import json
import os

from transformers.utils import chat_template_utils

VARIABLES = {
    "s": "Hello World", "u": "Ünïcode ß 日本語 é👍", "blank": " \t a b \n", "n": 7, "neg": -3, "f": 2.5, "big": 1e16,
    "small": 1e-5, "t": True,
    "nil": None, "empty": "", "xs": [3, 1, 2], "words": ["b", "A", "c", "a"], "none_list": [], "html": "<b> & 'x' \"y\"",
    "d": {"b": 1, "a": {"c": [1, 2.0, None, True, "é\n"]}, "C": "x", "items": "shadow"},
    "people": [{"name": "Ann", "age": 30, "tags": ["x"]}, {"name": "bob", "age": 25}, {"name": "Cy", "age": 30, "tags": []}],
    "tree": [{"v": 1, "kids": [{"v": 2, "kids": []}, {"v": 3, "kids": [{"v": 4, "kids": []}]}]}, {"v": 5, "kids": []}],
    "messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "U"}, {"role": "assistant", "content": "A"}]}

EXPRESSIONS = """
1 + 2 * 3 - 4 // 3
-7 // 2 ~ ' ' ~ -7 % 3 ~ ' ' ~ 7 % -3 ~ ' ' ~ -7.5 // 2 ~ ' ' ~ -7.5 % 2
7 / 2, 6 / 3, 2 ** 10, 2 ** -1, 2 ** 0.5, -2 ** 2
1_000 + 0x1F + 0b101 + 0o17, 1.5e3, 1e-7, 1e22, 123456789.125, 0.1 + 0.2, 1e15, 1e16, 1.0
10 ** 18 * 9
1 / 0
1 % 0
'a' + 1
'ab' * 3, 2 * [1], (1,) * 2, 'x' * -1
not n, not empty, t and 'yes' or 'no', nil or 0 or 'last', nil and 1
1 < 2 < 3, 1 < 3 < 2, 1 == 1.0 == true, 'a' < 'b', [1, 2] < [1, 3], (1, 2) == (1, 2), [1] == (1,)
1 < 'a'
nil < 1
'el' in s, 'x' not in s, 1 in xs, 'b' in d, 9 in xs, nil in xs, 'a' in missing
1 in 'abc'
s[0], s[-1], s[1:4], s[::-1], s[::2], s[10:2:-3], s[-3:], s[:100], s[20:], u[0], u[-1], u[3:9], u[::-1]
xs[0], xs[-1], xs[1:], xs[::-1], xs[5], xs[-9], xs[:2][0], xs[0:3:2]
s[1.5], s['upper'](), d['b'], d.b, d['items'], d.items() | list | length, d.missing, d['no'] is defined
s[::0]
missing, missing is defined, missing | default('x'), missing ~ 'y', missing == missing2, missing | length, missing | list, not missing
missing.x
missing['x']
missing + 1
missing()
d.missing.x
nil.x, nil['y'], 5.x, n.x is defined
nil, t, f, n, xs, d, people[1], (1,), (), (1, 'a'), {'k': none}
[none, true, 1.0, 'it\\'s', "q\\"", 'both\\'"', '\\n\\t\\\\', '\\u200b\\x7fé']
big, small, 1e100, 0.1, 100000.0, 1.0e-4, 12345678901234567.0, 5e-324, -0.0
'a' if n > 5 else 'b', 'c' if false, ('d' if false) is defined, 1 if 0 else 2 if 0 else 3
'a' 'b' "c", 'tab\\tnew\\\\n', '\\x41\\u00e9\\U0001F44D', 'no\\d', '\\101'
s | upper, s | lower, s | title, 'hELLO wORLD-foo (bar)' | title, s | capitalize, u | upper, u | lower
'ǆ ß ﬁ' | capitalize, 'ΑΣ ΑΣ' | lower
'hELLO wORLD-foo it\\'s'.title(), 'ß'.upper(), 'İ'.lower() | length, 'aB'.swapcase(), 'ß'.casefold(), 'x'.capitalize()
blank | trim, blank.strip(), blank.lstrip(), blank.rstrip(), 'xxaxx'.strip('x'), 'abcba'.lstrip('ab')
'ééa'.strip('é'), 'xax' | trim('x'), none | trim, '\\u3000a\\x1c'.strip()
'a,b,,c'.split(','), 'a,b,,c'.split(',', 1), ' a  b c '.split(), ' a  b c '.split(none, 1), 'a b c'.rsplit(' ', 1)
' a  b c '.rsplit(none, 1), ''.split(), ''.split(','), 'a--b'.split('--'), 'abc'.split('x')
'abc'.split('')
'a=b=c'.partition('='), 'a=b=c'.rpartition('='), 'abc'.partition('x'), 'abc'.rpartition('x')
'a\\nb\\r\\nc\\x85d\\n'.splitlines(), 'a\\nb'.splitlines(true), ''.splitlines()
s.startswith('He'), s.endswith(('x', 'ld')), s.startswith(''), s.removeprefix('Hello '), s.removesuffix('x')
s.find('o'), s.rfind('o'), s.find('zz'), s.index('W'), s.count('l'), u.find('日'), s.find('o', 5), 'aaa'.count('aa')
'ab'.count('')
s.index('zz')
s.replace('l', 'L'), s.replace('l', 'L', 1), 'abc'.replace('', '-'), s.replace('Hello', ''), 'aaa'.replace('aa', 'b')
', '.join(words), ''.join([]), '-'.join('abc')
','.join([1])
'abc'.isalpha(), 'ab1'.isalnum(), '12'.isdigit(), '²'.isdigit(), '½'.isnumeric(), ' '.isspace(), 'Ab'.isupper()
'AB1'.isupper(), 'ab'.islower(), ''.isalpha(), 'Ab Cd'.istitle(), 'é'.isascii(), 'a_1'.isidentifier()
'a'.center(5, '*'), 'ab'.center(5), 'a'.ljust(3) ~ '|', 'a'.rjust(3), '-5'.zfill(4), 'ab'.zfill(1), 'a\\tb'.expandtabs(4)
'{} {} {}'.format(1, 'a', none), '{0}{1}{0}'.format('x', 'y'), '{name}!'.format(name='N'), '{{}}'.format()
'{:>5}|{:<5}|{:^5}'.format(1, 'a', 'b'), '{:.2f} {:,} {:05d} {:x}'.format(3.14159, 1234567, 42, 255)
'{0[a]} {0.b}'.format({'a': 1, 'b': 2}), '{!r}'.format('q')
'%s is %d and %.2f' % ('a', 5, 2.5), '%s' % 'x', '%5s|%-5s|' % ('a', 'b'), '%(k)s' % {'k': 'v'}, '100%%' % ()
'%r' % 'q', '%x %05d' % (255, 42)
'%s %s' % 'x'
'%d' % 'x'
'plain' % 'x'
'%s-%s' | format('a', 2)
xs | length, s | count, d | length, u | length, 5 is number
5 | length
none | length
xs | first, xs | last, none_list | first, s | first, u | last, d | first, none_list | last is defined
words | sort, words | sort(case_sensitive=true), xs | sort(reverse=true)
people | sort(attribute='age') | map(attribute='name') | list
people | sort(attribute='age,name') | map(attribute='name') | join(',')
[1, 'a'] | sort
words | unique | list, [1, 1, 2] | unique | list, words | min, xs | max, none_list | min is defined, xs | sum
people | sum(attribute='age'), [[1], [2]] | sum(start=[])
d | dictsort, d | dictsort(true), {'x': 2, 'y': 1} | dictsort(by='value'), {'x': 1, 'y': 2} | dictsort(reverse=true)
d | items | list | length, missing | items | list
d | list, 'abc' | list, range(3) | list, d.keys() | list, d.values() | list | length, {'a': 1}.items()
{'a': 1}.keys(), {'a': 1}.values(), {'a': 1}.get('b'), {'a': 1}.get('b', 2), {'a': 1}.copy()
xs | reverse | list, s | reverse, 'aé' | reverse
xs | join, xs | join('-'), people | join(', ', attribute='name'), [1, none, true] | join('|'), 'abc' | join('.')
people | map(attribute='tags', default='none') | list, words | map('upper') | list, people | map(attribute='name') | join
people | selectattr('tags') | map(attribute='name') | list, people | selectattr('age', 'equalto', 30) | list | length
people | rejectattr('tags', 'defined') | list | length
people | selectattr('age', 'gt', 26) | map(attribute='name') | list, xs | select('odd') | list
xs | reject('odd') | list, ['', 'a'] | select | list, xs | select('in', [1, 2]) | list
xs | select('nosuchtest') | list
xs | nosuchfilter
(messages | selectattr('role', 'equalto', 'none')) and 'generators are true'
messages | map(attribute='content') | list | last, (messages | map(attribute='role'))[0] is defined
messages | map('nosuch') | list
[1, 2, 3, 4, 5] | batch(2) | list, [1, 2, 3] | batch(2, 'x') | list, [1, 2, 3, 4, 5] | slice(2) | list, [1, 2, 3] | slice(2, 'x') | list
people | groupby('age') | map('first') | list, people | groupby('age') | length
'3' | int, '0x1f' | int(base=16), 'x' | int, 'x' | int(5), 3.9 | int, '3.7' | int, ' 4 ' | int, '1_0' | int
none | int, true | int, '3.5' | float, 'x' | float, '1e3' | float, 5 | float
-5 | abs, 2.5 | round, 3.5 | round, 2.675 | round(2), 2.1 | round(method='ceil'), 2.9 | round(0, 'floor'), 7 | round
1234.5 | round(-2), 0.05 | round(1)
5 | string, none | string, xs | string, 1.50 | string
missing | default, none | default('d'), none | default('d', true), '' | default('d', boolean=true), missing | d('x')
html | e, html | escape | safe, html | safe, (html | safe) + '<i>', '<i>' + (html | safe), (html | safe) ~ '<i>'
(html | safe | upper), ('<b>' | safe).replace('b', '<'), html | forceescape, ('<' | e) is escaped
('a' | safe) + 'b' | string
'one two  three' | wordcount, 'a b/c?d=é' | urlencode, 'x' | center(5) ~ '|'
'a\\nb\\n\\nc' | indent, 'a\\nb' | indent(2, first=true), 'a\\n\\nb' | indent(2, true, true), 'a\\nb' | indent('> '), '' | indent(2)
'foo bar baz qux' | truncate(9), 'foo bar baz qux' | truncate(9, true), 'foo bar' | truncate(9)
'foo bar baz qux' | truncate(9, true, '…', 0)
d | tojson, d | tojson(indent=2), xs | tojson(indent=4), [] | tojson(indent=2), {} | tojson
[[], {}] | tojson(indent=1), u | tojson, u | tojson(ensure_ascii=true), html | tojson
'\\x00\\x1f\\x7f"\\\\/' | tojson, 1.0 | tojson, 1e20 | tojson, none | tojson, true | tojson, (1, 2) | tojson
d | tojson(separators=(',', ':')), {'b': 1, 'a': 2} | tojson(sort_keys=true), {1: 2, true: 3, none: 4} | tojson
xs | tojson(indent=none), {'a': [1]} | tojson(indent='\\t'), {'a': 1} | tojson(indent=0)
missing | tojson
namespace() | tojson
range(3) | tojson
s is string, n is string, n is number, f is float, n is integer, t is integer, t is boolean, t is number, nil is none
d is mapping, xs is mapping, xs is sequence, s is sequence, d is sequence, n is sequence, range(2) is sequence
d.items() is sequence, xs is iterable, n is iterable, none is iterable, missing is iterable, missing is sequence
s is iterable
n is odd, n is even, n is divisibleby 7, n is divisibleby(2), 4 is not odd, n is eq 7, n is gt 3, n is lessthan 3
n is in [7], s is lower, 'abc' is lower, 'ABC' is upper, true is true, 1 is true, false is false, 0 is false
n is sameas 7, none is sameas none, range is callable, s is callable, n is not none
'upper' is filter, 'nope' is filter, 'odd' is test, 'nope' is test
n is nosuchtest
range(5) | list, range(2, 5), range(5, 0, -2) | list, range(0) | list, range(10)[2:4] | list, range(3) | length
range(1000000)
range('a')
dict(a=1, b=2), dict({'x': 1}, y=2), dict([('k', 'v')]), {'a': 1, 'a': 2}, {1: 'i', 1.5: 'f', none: 'n'}[1]
{[1]: 2}
namespace(a=1).a, namespace({'k': 2}).k, namespace().x is defined
namespace(_a=1)
xs.append(4)
xs.append is defined, d.pop is defined, d.update is callable
d.pop('b')
xs.index(2), xs.count(3), (1, 2).index(2), xs.copy()
s.__class__ is defined, s.__class__
s.__class__.__mro__
strftime_now('%Y-%m-%d %B %d, %H:%M')
raise_exception('no')
joiner('|')() ~ 'x'
true, True, none, None, false == False
(1, 2), [1, 2,], (3,), {'a': 1,}
1 if nil is none and n > 3 else 2
- n | abs, -n, +n, - - n, not not n
n.__abs__ is defined
'a' ~ 1 ~ none ~ 2.0 ~ [1] ~ missing
d['a'].c[4], d.a['c'][-1], people[0].tags[0], people.0.name, people[0]['name'][1:]
xs[n], xs[-n], xs[missing] is defined, d[missing] is defined
{'a': {'b': {'c': 1}}}.a.b.c, ({'a': 1}).a, [1, 2][0], 'abc'[1], ('x', 'y')[1]
people[:1] | map(attribute='tags.0') | list | length, {'x': [{'y': 5}]} | attr('x') is defined, [{'x': [7]}] | map(attribute='x.0') | list
cycler('a', 'b').next()
"a" in ["a"] and "b" not in ("a",), not "a" in ["b"]
5 is divisibleby 5 and 3 is odd, [] is sequence and 1
messages[-1].role, messages[1:] | length, messages[::-1][0].role, messages[1:][0]['content'], (messages | first).role
messages | map(attribute='role') | join(' ')
'x'.join(['a', 'b']) | upper ~ '!', ('a' ~ 'b') | upper, 'a' ~ 'b' | upper
'%.1f' | format(2.25), '%s' | format(none), '%s%%' | format(5)
'a\
b'
caller is defined, loop is defined, self is defined and false
"\\\\n".replace('\\\\', '/'), 'a\\'b', "a\\"b"
"""

TEMPLATES = [
    "{% for x in xs %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ "
    "loop.length }}{{ x }},{% endfor %}",
    "{% for x in xs %}{{ loop.previtem }}-{{ loop.nextitem }}-{{ loop.cycle('a', 'b') }}-{{ loop.changed(x > 1) }};{% endfor %}",
    "{% for x in [] %}x{% else %}none{% endfor %}|{% for x in xs if x > 5 %}x{% else %}filtered{% endfor %}",
    "{% for x in xs if x != 1 %}{{ loop.index }}/{{ loop.length }}:{{ x }} {% endfor %}",
    "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}{% for k in d %}{{ k }}{% endfor %}",
    "{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}", "{% for a, in [(1,)] %}{{ a }}{% endfor %}",
    "{% for a, b in [(1, 2, 3)] %}{% endfor %}", "{% for x in 5 %}{% endfor %}", "{% for x in none %}{% endfor %}",
    "{% for x in missing %}a{% endfor %}b",
    "{% for x in range(10) %}{% if x == 2 %}{% continue %}{% endif %}{% if x == 5 %}{% break %}{% endif %}{{ x }}{% endfor %}",
    "{% for x in xs %}{% for y in words %}{% if y == 'c' %}{% break %}{% endif %}{{ x }}{{ y }}{{ loop.index }} {% endfor %}{{ "
    "loop.index }}{% endfor %}",
    "{% for n in tree recursive %}{{ n.v }}@{{ loop.depth }}{{ loop.depth0 }}[{{ loop(n.kids) }}]{% endfor %}",
    "{% for n in tree recursive %}{{ n.v }}{% if n.kids %}({{ loop(n.kids) }}){% endif %}{% if not loop.last %},{% endif %}{% endfor "
    "%}",
    "{% set x = 1 %}{% for i in xs %}{% set x = x + i %}{{ x }} {% endfor %}{{ x }}",
    "{% set ns = namespace(n=0, l=[]) %}{% for i in xs %}{% set ns.n = ns.n + i %}{% set ns.l = ns.l + [i] %}{% endfor %}{{ ns.n "
    "}}{{ ns.l }}",
    "{% set nope.x = 1 %}", "{% set d.x = 1 %}", "{% set ns = namespace() %}{% set ns._x = 1 %}",
    "{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set a, b = b, a %}{{ a }}{{ b }}{% set (c, d) = 'xy' %}{{ c }}{{ d }}",
    "{% if n > 5 %}{% set z = 'in' %}{% endif %}{{ z }}{% if n > 50 %}{% set q = 'in' %}{% endif %}[{{ q }}]",
    "{% set block %}a{{ n }}\n b{% endset %}[{{ block }}]{% set up | upper | trim %} x{{ s }} {% endset %}[{{ up }}]",
    "{% set x = 1 %}{% set b %}{% set x = 2 %}{{ x }}{% endset %}{{ b }}{{ x }}",
    "{% filter upper %}a{{ s }}{% endfilter %}{% filter replace('a', 'b') | upper %}banana{% endfilter %}",
    "{% with a = 1, b = n %}{{ a }}{{ b }}{% set a = 5 %}{{ a }}{% endwith %}{{ a }}",
    "{% macro m(a, b=2, c='x') %}{{ a }}-{{ b }}-{{ c }}{% endmacro %}{{ m(1) }} {{ m(1, c=3) }} {{ m(b=1, a=0) }} {{ m() }} {{ m(1, "
    "2, 3) | length }}",
    "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(b=2) }}",
    "{% macro m(a, b=a ~ '!') %}{{ a }}{{ b }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, 3, 4, z=5) }}{{ m('q') }}",
    "{% macro fact(n) %}{{ n if n < 2 else n * (fact(n - 1) | int) }}{% endmacro %}{{ fact(10) }}",
    "{% macro wrap(t) %}<{{ t }}>{{ caller() }}</{{ t }}>{% endmacro %}{% call wrap('b') %}in {{ n }}{% endcall %}",
    "{% macro each(l) %}{% for x in l %}{{ caller(x, loop.index) }};{% endfor %}{% endmacro %}{% call(v, i) each(xs) %}{{ i }}:{{ v "
    "}}{% endcall %}",
    "{% macro m() %}x{% endmacro %}{% call m() %}y{% endcall %}",
    "{% set g = 'late' %}{% macro m() %}{{ g }}{% endmacro %}{% set g = 'later' %}{{ m() }}{{ m.name }}",
    "{% macro a() %}A{{ b() }}{% endmacro %}{% macro b() %}B{% endmacro %}{{ a() }}",
    "{% for i in xs %}{% macro m() %}{{ i }}{% endmacro %}{{ m() }}{% endfor %}",
    "{{ [1, 2][0] }}{{ {'a': {'b': 1}}['a']['b'] }}{{ {'x': {}} }}", "a\n  {% if true %}\n  b\n  {% endif %}\nc\n",
    "a  {%- if true -%}  b  {%- endif -%}  c", "{%+ if true %}\n x{% endif +%}\ny", "  {# comment #}\n x {#- strips -#} y\n{# a\n b #}z",
    "{{ 1 }}\n{{ 2 }}\n\n", "\n\n{{ 1 }}\n", "{% raw %}{{ x }}{% if %}{% endraw %}!", "  {% raw %}\n a {%- endraw %} b",
    "{%- raw -%}  a  {%- endraw -%}  b", "x{{- ' y ' -}} z", "a {{+ 1 }}", "{% if true -%}\n\n  a\n{%- endif %}\n\nb",
    "a\r\nb\r{{ 'x\r\ny' }}\r\n", "{{ '}}' }}{{ '{%' }}{{ {'a': {}}['a'] }}", "<{% if 0 %}a{% elif n == 7 %}b{% else %}c{% endif %}>",
    "{% if missing %}a{% elif missing.x %}b{% endif %}", "\t{% set a = 1 %}\t\nb", "x {% set a = 1 %}\ny", "{{ s }}{% set s = 2 %}{{ s }}",
    "{% generation %}a{% set q = 1 %}{% endgeneration %}{{ q }}", "{% block title %}in {{ n }}{% endblock %}", "{% print n, 'a' %}",
    "{% for m in messages %}{{ '<' + m['role'] + '>' + m.content | trim }}{% if loop.last and add %}!{% endif %}{% endfor %}",
    "{%- for m in messages %}\n  {%- if m.role == 'user' %}\n    {{- m.content }}\n  {%- else %}\n    {{- '[' ~ m.content ~ ']' }}\n "
    " {%- endif %}\n{%- endfor %}\n",
    "{% set ns = namespace(found=false) %}{% for m in messages[::-1] %}{% if not ns.found and m.role == 'user' %}{% set ns.found = "
    "true %}{% set ns.at = loop.index0 %}{% endif %}{% endfor %}{{ ns.found }}{{ ns.at }}",
    "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set sys = messages[0]['content'] %}{% else "
    "%}{% set loop_messages = messages %}{% set sys = false %}{% endif %}{% for m in loop_messages %}{% if (m['role'] == 'user') != "
    "(loop.index0 % 2 == 0) %}{{ raise_exception('order') }}{% endif %}{{ loop.index0 }}{{ m.content }}{{ sys if loop.first }}{% "
    "endfor %}",
    "{% set gen = xs | select('odd') %}{{ gen | list }}{{ gen | list }}{{ gen | first is defined }}",
    "{% set it = xs | map('string') %}{{ it | first }}{{ it | join }}",
    "{% set xs = xs + [4] %}{{ xs }}{% set t = (1, 2) + (3,) %}{{ t }}", "{{ xs + (1,) }}", "{% for c in 'aé👍' %}{{ c }}.{% endfor %}",
    "{% set j = joiner() %}{% for x in xs %}{{ j() }}{{ x }}{% endfor %}",
    "{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}{% set _ = c.reset() %}{{ c.next() }}",
    "{% if 'x' is nosuch %}a{% endif %}", "{% if false %}{{ 1 | nosuch }}{% endif %}ok", "{% endfor %}", "{% for x in xs %}", "{{ 1 +  }}",
    "{{ 'open }}", "{{ (1 }}", "{% unknown %}", "{% for x in xs %}{% set loop = 1 %}{% endfor %}", "{% break %}",
    "{% for x in xs %}{% generation %}{% break %}{% endgeneration %}{% endfor %}", "{% macro m(a, a) %}{% endmacro %}",
    "{% for x in xs, recursive %}{% endfor %}", "{% set a, = (1,) %}", "{{ 'a' is in 'abc' }}{{ 1 is in [1] and true }}",
    "{% set loop = 5 %}{{ loop }}{% for x in xs if loop == 5 %}{{ loop.index }}{% endfor %}",
    "{% for x in xs %}{% for y in xs if loop.first %}{{ y }}{% endfor %}{% endfor %}", "{% set 1 = 2 %}", "{% set true = 1 %}",
    "{{ 1 2 }}", "{% if %}a{% endif %}", "{{ a b }}", "{# open", "{% raw %}open", "{{ }}",
    "{% for x in xs %}{% else %}{% elif %}{% endfor %}", "{{ n is }}", "{{ foo(1, a=2, 3) }}", "{{ f(**d, a=1) }}", "{{ '{' }", "{{ $ }}",
    "{{ a.1b }}", "{% include 'x' %}", "{% import 'x' as y %}", "{{ dict(*[[('a', 1)]]) }}{{ dict(**{'z': 3}) }}",
    "{% macro m(x) %}{{ x }}{% endmacro %}{{ m(*['p']) }}{{ m(**{'x': 'q'}) }}",
    "{{ ''.join(['<|', 'a', '|>']) }}{{ '<|' ~ messages[1].role ~ '|>' }}", "{{ s if s is string else s | tojson }}",
    "{% for k, v in {'b': 1, 'a': 2} | dictsort %}{{ k }}{{ v }}{% endfor %}{% for k, v in {'b': 1} | items %}{{ k }}{{ v }}{% "
    "endfor %}",
    "{% set x %}{% endset %}[{{ x }}]{{ x is string }}",
    "{{ (s, n) }}{{ s, n }}{% set p = s, n %}{{ p }}{% for a in 1, 2 %}{{ a }}{% endfor %}",
    "{% if n in (1, 7) and s %}y{% endif %}{{ 'a' in 'abc' == true }}", "{{ '' if nil else 'x' ~ 'y' }}",
    "{% set ns = namespace(text='') %}{% for m in messages %}{% set ns.text = ns.text ~ m.content %}{% endfor %}{{ ns.text }}{{ "
    "ns.text | length }}",
    "{{ messages | selectattr('role', 'in', ['user', 'tool']) | map(attribute='content') | join(',') }}",
    "{% set tools = none %}{% if tools is not none %}t{% endif %}{% if not tools %}n{% endif %}",
    "{% macro type(spec) -%}\n{%- if spec.t == 'array' -%}\n[{{ type(spec.of) }}]\n{%- else -%}\n{{ spec.t }}\n{%- endif -%}\n{%- "
    "endmacro -%}\n{{ type({'t': 'array', 'of': {'t': 'array', 'of': {'t': 'int'}}}) }}",
]


class Day(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2024, 7, 26, 12)


def main():
    chat_template_utils.datetime = Day
    here = os.path.dirname(os.path.abspath(__file__))
    expressions = EXPRESSIONS.strip("\n").split("\n")
    cases = []
    # Each expression as one value, whose items are shown by repr(), and item by item, by str().
    for template in ["{{ " + e + " }}" for e in expressions] + ["{% print " + e + " %}" for e in expressions] + TEMPLATES:
        try:
            text = chat_template_utils._compile_jinja_template(template).render(**VARIABLES)
        except Exception:  # whatever a template makes Python raise
            text = None
        if text is not None or not template.startswith("{% print"):
            cases.append([template, text])
    with open(f"{here}/jinja_golden.json", "w") as file:
        out = {"written_by": f"transformers {importlib.metadata.version('transformers')}", "variables": VARIABLES}
        json.dump(out, file, ensure_ascii=True, separators=(",", ":"))
        file.seek(file.tell() - 1)
        file.write(',\n"cases":[\n' + ",\n".join(json.dumps(c, ensure_ascii=True, separators=(",", ":")) for c in cases) + "]}\n")


if __name__ == "__main__":
    main()
