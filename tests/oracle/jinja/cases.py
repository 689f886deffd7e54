"""Templates and variables that exercise every feature of the interpreter. The expected results come from Jinja2 itself: see generate.py."""

VALUES = {
    "s": "Hello World", "u": "中文😀abc", "n": 5, "f": 2.5, "neg": -7, "big": 10**30, "l": [3, 1, 2], "ls": ["b", "A", "c"],
    "d": {"a": 1, "b": [1, 2], "items": 3, "_x": 4}, "e": {}, "el": [], "t": True, "z": None,
    "m": [{"role": "user", "content": "hi", "n": 1}, {"role": "assistant", "content": "yo", "n": 2}, {"role": "user", "content": None}],
    "nested": {"a": {"b": {"c": [1, {"d": "x"}]}}}, "mixed": [1, "a", None, True, 2.5, {"k": "v"}],
    "users": [{"n": "b", "c": "NY"}, {"n": "a", "c": "ny"}, {"n": "C", "c": "LA"}],
    "text": "The quick brown fox\njumps over the well-known lazy dog -- twice\n\nend", "html": "<a href=\"x\">Tom & 'Jerry'</a>",
}

# One expression a line; each becomes the template {{ expression }}.
EXPRESSIONS = r"""
1/0
1//0
1%0
1.0/0
1.0//0
1.0%0
2**-1
0**-1
10.0**400
'a'+1
1+'a'
[1]+'a'
(1,)+[2]
'a'*'b'
'a'*1.5
'a'-1
none+1
-'a'
+none
1<'a'
[1]<'a'
none<none
{}<{}
[{}]<[{'a':1}]
1 in 'a'
'a' in 1
z[1:]
l['a':]
'%d'%'a'
'%s %s'%'a'
'%s'%('a','b')
'%z'%1
'%(a)s'%1
'%(a)s'%{}
'%(a)s-%(b)05.1f'%{'a':[1],'b':2.25}
'%5d|%-5d|%05d|%+d|% d|%x|%X|%#x|%o|%e|%.3g|%g|%c|%r|%%'%(1,2,3,4,5,255,255,255,8,12345.678,0.00012345,1e20,'x','q')
'%s' % zz
'%.2s|%10s|%-10s|'%('abc','d','e')
'{}'.format()
'{a}'.format()
'{:d}'.format('a')
'{} {0}'.format(1)
'{0} {}'.format(1)
'{a.b} {a[c]} {0[1]}'.format([1,2], a={'b':1,'c':2})
'{:>8}|{:<8}|{:^8}|{:*^9}'.format('a','b','c','d')
'{:08.3f}|{:+d}|{:,}|{:x}|{:#X}|{:b}|{:%}|{:.1%}|{:e}'.format(3.14159,5,1234567,255,255,5,0.25,0.256,12345.678)
'{!r} {!s}'.format('a','b')
'{:{w}}|'.format('a', w=5)
'{{}}'.format()
'{'.format()
'}'.format()
'{!x}'.format(1)
'{:.3}'.format('abcdef')
'{:.2f}'.format(2.675)
'{:g}'.format(1e10)
'{:.3}'.format(1234.5)
'{}'.format([1,'a',none])
'{0.__class__}'.format(1)
'a'.split('')
'a'.split(1)
'a'.join([1])
'a'.join(1)
'a'.startswith(1)
'a'.replace('a')
'a'.strip(1)
'a'.index('z')
[1].index(2)
(1).foo
'a'.zfill('x')
'a'.center(3,'ab')
dict(1)
dict([1])
dict([[1,2],['a',3]], b=4)
range('a')
range(1,2,0)
range(1000000)
range(5)
range(5)|list
range(10,0,-3)|list
range(5)[1:3]
range(5)[-1]
3 in range(5)
{[]:1}
'a'.upper(1)
'a'.find()
{}.get()
[].count()
10**5000
7//2
7/2
6/2
5.0//2
-5//2
-7//2
-7%3
7%-3
-7.5%2
7.5%-2
2**3**2
-2**2
(-2)**2
2**0.5
1_000
0x1F
0b101
0o17
1e5
1.5e-7
1e16
123456789.123456789
1e22
1e-5
0.0001
100.0
-0.0
0.1+0.2
1/3
10**20/3
2**64//3
big + 1
big * big
true+true
-true
not 1
1 and 2
0 or 'x'
none or none
1 if 0
(1 if 0) is defined
1 if 0 else 2
1 if 0 else 2 if 0 else 3
'a' ~ 1 ~ none ~ true ~ 1.0 ~ [1,'b']
1 < 2 < 3
1 < 3 < 2
1 == 1.0
true == 1
[1,2]==[1,2]
(1,2)==[1,2]
{'a':1}=={'a':1.0}
not 1 == 2
'a' < 'b'
[1,2]<[1,3]
(1,2)<(1,2,3)
'a' in ['a']
'a' not in ['a']
1.0 in {1:2}
'b' in 'abc' and 'x' not in 'abc'
[1,'a',none,1.5,{'k':true}]
(1,)
()
(1,2)
{'a':'it\'s','b':"q\"q",'c':'\n\t\\'}
'é\x00\u200b😀'
['é\x00\u200b😀\xa0\x7f']
[undefinedthing]
{1:2,none:3,true:4,1.5:5}
'a' 'b' "c"
'\101\x41\u0041\U00000041\q\'"'
'\é'
s[0]
s[-1]
s[20]
s[1:3]
s[::-1]
s[:-1]
s[::2]
s[5:2]
s[10:2:-2]
s[::0]
u[2]
u[2:4]
u[::-1]
u|length
u[-1]
u[1:4:2]
u.find('a')
u.index('😀')
u.center(10,'*')
u.rfind('c')
u|list
u|reverse
l[0]
l[5]
l[-1]
l[1:]
l[::-1]
l['a']
l[true]
d.a
d['a']
d.zz
d.items is callable
d['items']
d.items()
d['_x']
d._x
d.get('a')
d.get('q')
d.get('q',5)
d.keys()
d.values()
d|length
d|list
e.items()
nested.a.b.c[1].d
nested.a.b.c.1.d
nested.x.y
z.foo
z['foo']
zz.foo
zz['a']
zz[0]
zz+1
1+zz
zz~1
zz()
-zz
zz<1
zz==zz
zz==none
zz is defined
zz is none
zz|default('q')
zz|d
''|default('x')
''|default('x',true)
none|default('x')
none|default('x',boolean=true)
zz|length
zz|list
zz|upper
zz|int
zz|abs
zz|tojson
zz|trim
zz|join
zz|first
zz|last
zz|replace('a','b')
zz|items|list
zz|dictsort
zz|sum
zz|round
zz|indent
zz|sort
zz|map('upper')|list
zz is string
zz is iterable
zz is sequence
zz is odd
zz is callable
zz in [1]
1 in zz
s+zz
'a' in zz
zz in 'a'
zz.a.b
d.zz.yy
d['zz']['yy']
l[9].x
l.foo.bar
f.is_integer()
2.0.is_integer()
l.append(1)
l.append
d.update({})
d.pop('a')
l.sort()
l.copy()
d.clear
s.__class__
s.__class__.__mro__
s.__class__()
l._foo
''.__class__.x
s['upper']()
'x'|attr('upper') is callable
d|attr('a')
s|attr('foo')
-7|abs
2.5|abs
'a'|abs
[1,2,3,4,5]|batch(2)|list
[1,2,3,4,5]|batch(2,'x')|list
[1,2,3,4,5]|slice(2)|list
[1,2,3,4,5]|slice(3,'x')|list
'hELLO wORLD'|capitalize
'abc'|center(9)
'abc'|center(10)|length
[1,2,3]|count
'中文😀'|length
5|length
{'b':1,'A':2,'c':0}|dictsort
{'b':1,'A':2,'c':0}|dictsort(true)
{'b':1,'A':2,'c':0}|dictsort(false,'value')
{'b':1,'A':2,'c':0}|dictsort(by='value',reverse=true)
{'b':1}|dictsort(by='x')
[1]|dictsort
html|escape
html|e
html|forceescape
html|safe
html|safe|escape
('<a>'|safe) + '<b>'
'<b>' + ('<a>'|safe)
('<a>'|safe) ~ '<b>'
('<%s>'|safe) % '&'
('{}'|safe).format('<')
('<a>'|safe)|upper
[('<a>'|safe)]
('<a>'|safe).join(['<','>'])
('a<'|safe).replace('a','<')
('<a>'|safe) is string
('<a>'|safe) is escaped
'12'|float
'1.5e3'|float
'x'|float
'x'|float(7.5)
none|float
' 42 '|int
'42.9'|int
42.9|int
-42.9|int
'x'|int
'x'|int(9)
'ff'|int(0,16)
'0x1f'|int(base=16)
'0b11'|int(0,2)
'1_000'|int
none|int
true|int
[1]|int(3)
'%s-%s'|format('a',1)
'%(x)s'|format(x=1)
'%d items'|format(3.7)
'%s'|format(1, x=2)
users|groupby('c')
users|groupby('c')|map(attribute='grouper')|list
users|groupby('c', case_sensitive=true)|map('first')|list
users|groupby('c')|map('last')|map('length')|list
users|groupby('zz', default='q')|list|length
users|groupby('n')|map(attribute='list')|map('first')|map(attribute='n')|join
text|indent
text|indent(2)
text|indent(2,true)
text|indent(2,blank=true)
text|indent('> ',first=true,blank=true)
5|indent
[1,2,3]|join
[1,2,3]|join('|')
[1,none,true,'a']|join(', ')
users|join(',',attribute='n')
{'a':1,'b':2}|join
'abc'|join('-')
5|join
l|first
l|last
el|first
el|last
'abc'|first
'abc'|last
d|first
d|last
5|first
(l|select)|last
d.values()|last
range(3)|last
{'a':{'x':1}}|items|list
[1]|items|list
'ABC'|lower
'ß ŉ ﬁ'|upper
'ΑΣ ΑΣΑ İ'|lower
users|map(attribute='n')|list
users|map(attribute='zz')|list
users|map(attribute='zz',default='q')|list
users|map('attr','n')|list
nested|map('upper')|list
ls|map('upper')|join(',')
ls|map('replace','b','z')|list
[[1,2],[3,4]]|map('sum')|list
[[1,2],[3,4]]|map(attribute=1)|list
[[1,2],[3,4]]|map(attribute='0')|list
ls|map|list
ls|map('nope')|list
ls|map(upper)|list
ls|map(attribute='x',foo=1)|list
none|map('upper')|list
l|max
l|min
ls|max
ls|min
ls|max(case_sensitive=true)
users|max(attribute='n')
users|min(attribute='n')
el|max
el|min is defined
[1,'a']|max
[1,'a']|min
[1,2.0,true]|min
mixed|select('string')|list
mixed|select|list
mixed|reject|list
mixed|reject('none')|list
[1,2,3,4]|select('odd')|list
[1,2,3,4]|select('divisibleby',2)|list
[1,2,3,4]|select('gt',2)|list
[1,2,3,4]|select('>=',2)|list
[1,2,3,4]|select('in',[1,4])|list
[1,2,3,4]|reject('even')|list
m|selectattr('role','equalto','user')|list|length
m|selectattr('content')|map(attribute='content')|list
m|rejectattr('content')|list
m|rejectattr('role','==','user')|map(attribute='n')|first
m|selectattr('n','defined')|map(attribute='n')|sum
m|selectattr|list
m|selectattr('n','nope')|list
m|select('nope')|list
none|select|list
5|select|list
(m|selectattr('role','equalto','zz')) is iterable
true if m|selectattr('role','equalto','zz') else false
(m|selectattr('role','equalto','user'))|length
'aXbXc'|replace('X','-')
'aXbXc'|replace('X','-',1)
'abc'|replace('','-')
'abc'|replace('','-',2)
''|replace('','-')
123|replace(2,'x')
'abc'.replace('','-')
'abc'.replace('','-',2)
'abc'|reverse
[1,2,3]|reverse|list
range(3)|reverse|list
{'a':1,'b':2}|reverse|list
(l|select)|reverse|list
5|reverse
42.55|round
42.55|round(1)
42.55|round(1,'floor')
42.55|round(1,'ceil')
42.45|round(1)
2.675|round(2)
0.5|round
1.5|round
2.5|round
42|round
1234|round(-2)
1250|round(-2)
1234.5|round(-2)
42.55|round|int
42|round(1,'ceil')
42.55|round(1,'nope')
'a'|round
[3,1,2]|sort
[3,1,2]|sort(reverse=true)
ls|sort
ls|sort(case_sensitive=true)
users|sort(attribute='n')|map(attribute='n')|list
users|sort(attribute='c,n')|map(attribute='n')|list
users|sort(reverse=true,attribute='c')|map(attribute='n')|list
['a',1]|sort
[none,1]|sort
[[2,'a'],[1,'b']]|sort
'bca'|sort
d|sort
5|string
none|string
[1]|string
'<p>a <b>b</b>  c</p><!-- x --> &lt;'|striptags
[1,2,3]|sum
[1.5,2]|sum
users|sum('n')
[[1],[2]]|sum(start=[])
['a']|sum
['a']|sum(start='')
m[:2]|sum(attribute='n')
"they're bill's o'neil-jones (x) [y] <z>"|title
'ǆ ß'|title
"they're".title()
{'a':[1,2.0,none,true,'x"\\\n\u0001é😀']}|tojson
{'b':1,'a':{'c':[]}}|tojson(indent=2)
{'b':1,'a':{'c':[],'d':{}}}|tojson(indent=4,sort_keys=true)
{'b':1,'a':2}|tojson(separators=(',',':'))
'é😀\x7f</script>'|tojson
'é😀\x7f'|tojson(ensure_ascii=true)
'é'|tojson(true)
[1,[2]]|tojson(indent=0)
[1,[2]]|tojson(indent='--')
[1,[2]]|tojson(indent=none)
{1:2,none:3,true:4,1.5:5}|tojson
{(1,2):3}|tojson
(1,2)|tojson
1e20|tojson
1e16|tojson
1.0|tojson
10**25|tojson
(1e308*10)|tojson
range(3)|tojson
d.items()|tojson
namespace(a=1)|tojson
zz|tojson(indent=2)
{'a':zz}|tojson
l|map('upper')|tojson
'a'|tojson(nope=1)
'  a b '|trim
'xxaxx'|trim('x')
'xyaxy'.strip('yx')
5|trim
'foo bar baz qux'|truncate(9)
'foo bar baz qux'|truncate(9,true)
'foo bar baz qux'|truncate(11)
'foo bar baz qux'|truncate(11,false,'...',0)
'foo bar baz qux'|truncate(2)
'foobarbazqux'|truncate(5,leeway=0)
['a','A','b','a']|unique|list
['a','A','b','a']|unique(true)|list
users|unique(attribute='c')|map(attribute='n')|list
[1,1.0,true,'1']|unique|list
[[1],[1]]|unique|list
'a b/c?d=é&'|urlencode
{'a b':'c/d','é':1}|urlencode
[['a',1],['b',2]]|urlencode
5|urlencode
'a b  c-d e_f'|wordcount
text|wordwrap(10)
text|wordwrap(10,false)
text|wordwrap(10,wrapstring='|')
'a-b well-known foo--bar'|wordwrap(6)
'supercalifragilistic'|wordwrap(5)
{'a':1,'b':none,'c':'<"&'}|xmlattr
{'a':1}|xmlattr(false)
{'a b':1}|xmlattr
{}|xmlattr
1|filesizeformat
999|filesizeformat
13000|filesizeformat
1300000|filesizeformat
1300000|filesizeformat(true)
10**28|filesizeformat
'x'|upper('y')
'x'|default('y',z=1)
'x'|replace('y')
'x'|replace
'x'|nope
1 is nope
(1 if true else 'x'|nope)
('x'|nope if true else 1)
5 is divisibleby 5
5 is divisibleby(3)
5 is odd
5 is even
5 is not even
5.0 is odd
'a' is odd
5 is number
true is number
5.0 is number
'5' is number
5 is integer
true is integer
5.0 is float
true is boolean
1 is boolean
true is true
1 is true
false is false
0 is false
none is none
'' is none
'a' is string
5 is string
{} is mapping
[] is mapping
[] is sequence
'' is sequence
{} is sequence
() is sequence
range(3) is sequence
d.items() is sequence
d.items() is iterable
5 is iterable
none is iterable
'' is iterable
(l|map('string')) is iterable
(l|map('string')) is sequence
'abc' is lower
'ABC' is upper
'aBc' is lower
'' is lower
'1' is lower
1 is eq 1
1 is equalto 1.0
1 is == 1
1 is ne 2
1 is lt 2
2 is gt 1
1 is le 1
1 is ge 2
1 is lessthan 2
2 is greaterthan 1
1 is in [1,2]
'a' is in 'abc'
3 is not in [1,2]
1 is sameas 1
none is sameas none
true is sameas true
1 is sameas true
'upper' is filter
'nope' is filter
'odd' is test
range is callable
s is callable
s.upper is callable
joiner() is callable
5 is defined
zz is undefined
zz is not defined
1 is odd is true
1 is eq
'a.b'.split('.')
'a  b c '.split()
' a  b c '.split(none, 1)
'a,b,c'.split(',',1)
'a,b,c'.rsplit(',',1)
' a b c '.rsplit(none,1)
'a,b,c'.split(sep=',',maxsplit=1)
'a\nb\r\nc\x0bd'.splitlines()
'a\nb\n'.splitlines(true)
'abc'.partition('b')
'abc'.partition('x')
'abcbd'.rpartition('b')
'abc'.partition('')
'abc'.startswith('a')
'abc'.startswith(('x','a'))
'abc'.startswith('b',1)
'abc'.endswith('c')
'abc'.endswith(('b','c'),0,2)
'abc'.startswith('')
'abc'.startswith('',4)
'abc'.startswith(['a'])
'abc'.find('c')
'abc'.find('z')
'abcabc'.find('c',3)
'abc'.find('')
'abc'.find('',4)
'abcabc'.rfind('c')
'abcabc'.count('bc')
'aaa'.count('aa')
'abc'.count('')
'abc'.index('b')
'abc'.rindex('z')
','.join(['a','b'])
','.join('abc')
','.join({'a':1})
','.join(range(3)|map('string'))
'abc'.removeprefix('a')
'abc'.removesuffix('bc')
'abc'.removeprefix('x')
'42'.zfill(5)
'-42'.zfill(5)
'a'.ljust(4,'.')
'a'.rjust(4)
'a'.center(4,'-')
'ab'.center(5,'-')
'a\tb'.expandtabs(4)
'Hello'.swapcase()
'hello world'.title()
'HELLO'.capitalize()
'Straße'.casefold()
'Straße'.upper()
'abc'.isalpha()
'abc1'.isalnum()
'123'.isdigit()
'²'.isdigit()
'²'.isdecimal()
'½'.isnumeric()
' \t'.isspace()
''.isspace()
'abc'.islower()
'Abc'.istitle()
'ABC'.isupper()
'a_1'.isidentifier()
'1a'.isidentifier()
'a\n'.isprintable()
'é'.isascii()
'中'.isalpha()
'a'.nope()
'abc'.lstrip('a')
'abc'.rstrip('c')
'  abc\u3000'.strip()
[1,2,1].count(1)
[1,2,1].index(1,1)
(1,2).index(2)
(1,2).count(5)
(5).bit_length()
namespace(a=1).a
namespace(a=1).b
namespace(a=1)
namespace({'a':1}, b=2).b
namespace(a=1)['a']
cycler('a','b').next()
cycler()
dict(a=1,b=2)
dict()
lipsum is callable
raise_exception('boom')
raise_exception(none)
raise_exception()
strftime_now('%Y-%m-%d')
strftime_now('%d %b %Y %H:%M:%S %p %A %B %j %y %a %I %-d %-m %e %% %Z %U %W %w %u %V %G %f %c %x %X %D %T %R')
strftime_now()
l|sort|first
(l|sort)[0]
l|sort|join(',')|upper
-1|abs
-(1|abs)
1 + 2|string|length
'a' ~ 'b'|upper
('a' ~ 'b')|upper
not true|string
1|string + 2|string
[1,2,3][1]
{'a':[1,2]}['a'][-1]
'abc'[1]|upper
l|length > 2
l|length > 2 and s is string
n is odd and n > 3
n in [1,5] and not n == 4
s is string and s|length
(l if l else el)|first
m[0].role == 'user'
m[-1]['content'] is none
m|length - 1
m|map(attribute='role')|unique|list
m|last
(m|last).role
m[::-1]|first
m|selectattr('content','string')|map(attribute='content')|join('|')
(m|map(attribute='role')|list).index('assistant')
[1,2,3,4][1:][:2]
s.split()[-1].lower()
s.split(' ')|last|upper
dict(d, c=3)|list
d|dictsort|first
*
1 +
(1
[1, 2
{'a' 1}
{'a': }
1 2
a b
'abc
"abc
a.b.
a.'b'
a[
a|
a is
f(a=1, 2)
f(*l, *l)
f(**d, a=1)
f(a=1,a=2)
1 if
if
1 = 2
@
a ? b
$
a & b
x.1.5
007
1__0
1e
'\x4'
'\u12'
"""

# Whole templates.
TEMPLATES = [
    # White space control.
    "a\n  {% if true %}\n  b\n  {% endif %}\nc\n",
    "a\n  {%+ if true %}\n  b\n  {%+ endif %}\nc",
    "a\n  {%- if true -%}\n  b\n  {%- endif -%}\nc",
    "a {% if true %} b {% endif %} c",
    "  {{ 1 }}  \n  {{- 2 -}}  \n 3",
    "a\n  {# comment #}\nb\n {#- c -#} \n d {# e +#}\nf{#+ g #}",
    "{% if true +%}\nx\n{% endif +%}\ny",
    "a \t {% set x = 1 %} \n b",
    "a\n\n\n{%- set x = 1 %}\n\n\nb",
    "a\u3000\n\u3000{% set x = 1 %}b",
    "line\r\n  {% if true %}\r\nx\r{% endif %}\r\nend\r\n",
    "\n\n", "\n", "", "a\n\n", "{{ 'a\r\nb'|length }}",
    "{% raw %}{{ x }} {% if %}{% endraw %}",
    "  {% raw %}\n {{ x }}\n  {% endraw %}\nafter",
    "a  {%- raw -%}  {{ x }}  {%- endraw -%}  b",
    "{% raw %}a{% endraw +%}\nb",
    "{%raw%}{# no #}{%endraw%}",
    "{% raw %}open",
    "{# open", "{{ open", "{% open", "{% if %}", "{% if x", "{{ 1 }", "{{ '}}' }}", "{{ {'a': {'b': 1}}}}", "{{ {'a': {'b': 1}} }}",
    "{{ 1 }}}}", "{ { 1 } }", "{%- -%}", "{{}}", "{{ }}", "{% %}", "#}", "%}", "}}",
    "{{-1}}", "{{- 1 -}}", "{{+1}}", "{{ 1 +}}", "x {{-  -1 }}",
    "{# a #}{# b #}\n{# c #}\nx", "{#- a #}\n{# b -#}\n  x",
    "{% for i in [1,2] -%}\n  {{ i }}\n{%- endfor %}\n", "{% for i in [1,2] %}\n  {{ i }}\n{% endfor %}\n",
    "    {% for i in [1,2] %}    \n    {{ i }}    \n    {% endfor %}    \n",
    "x{% if true %}\n\n\ny{% endif %}\n\n\nz",
    # Loops.
    "{% for i in l %}{{ loop.index }}/{{ loop.index0 }}/{{ loop.revindex }}/{{ loop.revindex0 }}/{{ loop.first }}/{{ loop.last }}/{{ loop.length }} {% endfor %}",
    "{% for i in l %}{{ loop.previtem|default('-') }}<{{ i }}>{{ loop.nextitem|default('-') }} {% endfor %}",
    "{% for i in l %}{{ loop.cycle('a','b') }}{{ loop.depth }}{{ loop.depth0 }}{% endfor %}",
    "{% for i in [1,1,2,2,1] %}{{ i if loop.changed(i) else '=' }}{% endfor %}",
    "{% for i in l if i > 1 %}{{ loop.index }}:{{ i }}:{{ loop.length }}:{{ loop.last }} {% endfor %}",
    "{% for i in l if i > 5 %}x{% else %}none{% endfor %}",
    "{% for i in el %}x{% else %}empty{% endfor %}", "{% for i in zz %}x{% else %}empty{% endfor %}",
    "{% for i in l %}{% break %}{% else %}E{% endfor %}", "{% for i in l %}{% continue %}{% else %}E{% endfor %}",
    "{% for i in l %}{% if i == 1 %}{% continue %}{% endif %}{{ i }}{% else %}E{% endfor %}",
    "{% for i in range(10) %}{% if i == 3 %}{% break %}{% endif %}{{ i }}{% endfor %}",
    "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}", "{% for k in d %}{{ k }}{% endfor %}",
    "{% for k, v in d|items %}{{ k }}{% endfor %}", "{% for k, v in d|dictsort %}{{ k }}{{ v }}{% endfor %}",
    "{% for (a, b), c in [((1,2),3)] %}{{ a }}{{ b }}{{ c }}{% endfor %}", "{% for a, b in [1] %}{% endfor %}",
    "{% for a, b in [[1]] %}{% endfor %}", "{% for a, b in [[1,2,3]] %}{% endfor %}", "{% for a, in [[1]] %}{{ a }}{% endfor %}",
    "{% for c in 'a😀b' %}[{{ c }}]{% endfor %}", "{% for i in 5 %}{% endfor %}", "{% for i in none %}{% endfor %}",
    "{% for i in l %}{% for j in l %}{{ i }}{{ j }}{{ loop.index }}{% endfor %}{{ loop.index }} {% endfor %}",
    "{% for i in l %}{% set outer = loop %}{% for j in ls %}{{ outer.index }}{{ loop.index }}{% endfor %}{% endfor %}",
    "{% set x = 1 %}{% for i in l %}{% set x = x + 1 %}{{ x }}{% endfor %}{{ x }}",
    "{% set ns = namespace(x=1) %}{% for i in l %}{% set ns.x = ns.x + i %}{{ ns.x }},{% endfor %}{{ ns.x }}",
    "{% for i in l %}{% if loop.first %}{% set y = 'first' %}{% endif %}{{ y }}|{% endfor %}{{ y }}",
    "{% for item in [1,[2,[3,4]],5] recursive %}{% if item is iterable %}({{ loop(item) }}){% else %}{{ item }}@{{ loop.depth }}{% endif %}{% endfor %}",
    "{% for item in [1] %}{{ loop(item) }}{% endfor %}",
    "{% for item in [[1,[2]],3] recursive %}{% if item is iterable %}{{ loop(item) }}{% else %}{{ item }}{% endif %}{% else %}E{% endfor %}",
    "{% for i in l %}{{ loop }}{% endfor %}", "{% for loop in l %}{% endfor %}", "{% for i in l %}{% set loop = 1 %}{% endfor %}",
    "{{ loop }}", "{{ loop.index }}", "{% for i in l %}{% endfor %}{{ i }}", "{% set i = 9 %}{% for i in l %}{{ i }}{% endfor %}{{ i }}",
    "{% for i in l %}{{ loop.nope }}|{{ loop.nope is defined }}{% endfor %}", "{% for i in (l|map('string')) %}{{ loop.length }}{{ loop.last }}{% endfor %}",
    "{% set ns = namespace(go=true) %}{% for i in range(5) if ns.go %}{{ i }}{% if i == 2 %}{% set ns.go = false %}{% endif %}{% endfor %}",
    "{% set ns = namespace(go=true) %}{% for i in range(5) if ns.go %}{{ i }}{{ loop.last }}{% if i == 2 %}{% set ns.go = false %}{% endif %}{% endfor %}",
    "{% for i in l|sort %}{{ i }}{% endfor %}", "{% for i in l + [9] %}{{ i }}{% endfor %}", "{% for i in 1, 2 %}{{ i }}{% endfor %}",
    "{% for i in l if i is odd and i > 1 %}{{ i }}{% endfor %}", "{% for i in (l if t else el) %}{{ i }}{% endfor %}", "{% for i in l if t else el %}{{ i }}{% endfor %}",
    "{% break %}", "{% continue %}", "{% macro m() %}{% break %}{% endmacro %}", "{% for i in l %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}",
    "{% for i in l %}a{% else %}{% break %}{% endfor %}", "{% for j in l %}{% for i in el %}a{% else %}b{% break %}{% endfor %}c{% endfor %}",
    "{% for m in m %}{{ m.role }}{% endfor %}{{ m|length }}",
    # Scope: what is set where.
    "{% for i in [1] %}{{ n }}{% endfor %}{% set n = 6 %}{{ n }}", "{{ n }}{% set n = n + 1 %}{{ n }}", "{% if t %}{% set q = 1 %}{% endif %}{{ q }}",
    "{% if z %}{% set n = 1 %}{% endif %}{{ n }}", "{% if z %}{% set q = 1 %}{% else %}{% set q = 2 %}{% endif %}{{ q }}",
    "{% if z %}{% set q = 1 %}{% elif n %}{% set q = 3 %}{% else %}{% set q = 2 %}{% endif %}{{ q }}{{ n }}",
    "{% if not x is defined %}{% set x = 'dflt' %}{% endif %}{{ x }}", "{% for i in [1] %}{% if z %}{% set n = 1 %}{% endif %}{{ n }}{% endfor %}",
    "{% for i in [1,2] %}{{ q }}{% set q = i %}{{ q }}{% endfor %}", "{% macro a() %}{{ n }}{% endmacro %}{% set n = 9 %}{{ a() }}",
    "{% macro a() %}{{ q }}{% endmacro %}{{ a() }}{% set q = 9 %}{{ a() }}", "{% macro a(n) %}{% set n = 3 %}{{ n }}{% endmacro %}{{ a(1) }}{{ n }}",
    "{% with a = 1, b = n %}{{ a }}{{ b }}{% set n = 2 %}{{ n }}{% endwith %}{{ n }}{{ a }}", "{% with %}{% set q = 1 %}{{ q }}{% endwith %}{{ q }}",
    "{% with a = 1 %}{% with a = a + 1, b = a %}{{ a }}{{ b }}{% endwith %}{% endwith %}", "{% with a, b = (1, 2) %}{{ a }}{{ b }}{% endwith %}",
    "{% set a, b = 1, 2 %}{{ a }}{{ b }}", "{% set a, b = 'xy' %}{{ a }}{{ b }}", "{% set (a, b) = [1, 2] %}{{ a }}", "{% set a = b = 1 %}",
    "{% set a, b = 1 %}", "{% set a, b = [1] %}", "{% set a, b = [1,2,3] %}", "{% set 1 = 2 %}", "{% set none = 2 %}", "{% set a.b = 2 %}", "{% set d.b = 2 %}",
    "{% set ns = namespace() %}{% set ns.a, ns.b = 1, 2 %}{{ ns.a }}{{ ns.b }}{{ ns }}", "{% set ns = namespace() %}{% set ns.self = ns %}{{ ns.self is defined }}",
    "{% set a = 1, 2 %}{{ a }}", "{% set a = 1 if z else 2 %}{{ a }}", "{% set x %}a{{ n }}b{% endset %}[{{ x }}]", "{% set x | upper %}a{{ n }}b{% endset %}[{{ x }}]",
    "{% set x | upper | replace('A', 'z') %}ab{% endset %}[{{ x }}]", "{% set ns = namespace() %}{% set ns.x %}body{% endset %}{{ ns.x }}",
    "{% set x %}{% set n = 7 %}{{ n }}{% endset %}{{ x }}{{ n }}", "{% set x = [] %}{% for i in l %}{% set x = x + [i] %}{% endfor %}{{ x }}",
    "{% for i in l %}{% set x %}{{ i }}{% if i == 1 %}{% break %}{% endif %}{% endset %}{{ x }}{% endfor %}",
    "{% filter upper %}a{{ n }}{{ s }}{% endfilter %}", "{% filter replace('a', 'b') | upper %}a{% endfilter %}", "{% filter indent(2) %}a\nb{% endfilter %}",
    "{% filter nope %}a{% endfilter %}", "{% filter trim %}  {% set q = 1 %}{{ q }}  {% endfilter %}{{ q }}",
    "{% if zz|nope %}{% endif %}", "{% if false %}{{ 1|nope }}{% endif %}ok", "{% if true %}{{ 1|nope }}{% endif %}", "{% if false %}{% for i in l %}{{ i|nope }}{% endfor %}{% endif %}ok",
    "{% if false %}{{ 1 is nope }}{% endif %}ok",
    # Macros and calls.
    "{% macro m(a, b=2, c='x') %}{{ a }}-{{ b }}-{{ c }};{% endmacro %}{{ m(1) }}{{ m(1, 3) }}{{ m(1, c=5) }}{{ m(c=1, a=2) }}{{ m() }}",
    "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(b=2) }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, a=2) }}",
    "{% macro m(a) %}{{ a.b }}{% endmacro %}{{ m() }}", "{% macro m(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}", "{% macro m(a=b, b=1) %}{{ a }}{{ b }}{% endmacro %}{{ m() }}",
    "{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, x=3) }}", "{% macro m(a) %}{{ a }}{{ varargs|join(',') }}{{ kwargs.items()|list }}{% endmacro %}{{ m(1, 2, 3, x=4) }}",
    "{% macro m(a) %}[{{ caller() }}{{ a }}]{% endmacro %}{% call m(1) %}body{{ n }}{% endcall %}", "{% macro m() %}{{ caller(1, 2) }}{% endmacro %}{% call(x, y=5) m() %}{{ x }}{{ y }}{% endcall %}",
    "{% macro m() %}{{ caller() }}{% endmacro %}{{ m() }}", "{% macro m() %}{% if caller %}C{{ caller() }}{% else %}N{% endif %}{% endmacro %}{{ m() }}{% call m() %}x{% endcall %}",
    "{% macro m() %}a{% endmacro %}{% call m() %}x{% endcall %}", "{% macro m(caller) %}{{ caller }}{% endmacro %}", "{% macro m(caller=1) %}{{ caller }}{% endmacro %}{{ m() }}",
    "{% macro m(x) %}{{ x }}{% endmacro %}{{ m(*[1]) }}{{ m(**{'x': 2}) }}{{ m(*l[:1]) }}", "{% macro m(x) %}{{ x }}{% endmacro %}{{ m(*5) }}",
    "{% macro f(n) %}{{ n }}{% if n > 0 %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(3) }}", "{% macro m() %}  a  {% endmacro %}[{{ m()|trim }}][{{ m() | length }}]",
    "{% macro m() %}{% set n = 1 %}{{ n }}{% endmacro %}{{ m() }}{{ n }}", "{{ m2() }}{% macro m2() %}a{% endmacro %}", "{{ m2 is defined }}{% macro m2() %}a{% endmacro %}{{ m2 is defined }}{{ m2 }}{{ m2.name }}{{ m2.arguments }}",
    "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}B{% endmacro %}{{ a() }}", "{% for i in l %}{% macro m() %}{{ i }}{% endmacro %}{{ m() }}{% endfor %}{{ m }}",
    "{% macro m(a, a) %}{% endmacro %}", "{% macro m(a=1, b) %}{% endmacro %}", "{% macro m %}{% endmacro %}", "{% macro (a) %}{% endmacro %}", "{% call m %}{% endcall %}", "{% call 5 %}{% endcall %}",
    "{% macro outer() %}{% macro inner() %}I{{ n }}{% endmacro %}{{ inner() }}{% endmacro %}{{ outer() }}", "{% macro m(x) %}{{ x }}{% endmacro %}{{ l|map('string')|map('upper')|join }}{{ m(m(1)) }}",
    "{% macro m(x=[]) %}{{ x }}{% endmacro %}{{ m() }}{{ m([1]) }}{{ m(x=none) }}", "{% macro m(x) %}{% for i in x %}{{ caller(i) }}{% endfor %}{% endmacro %}{% call(i) m(l) %}<{{ i }}{{ n }}>{% endcall %}",
    "{% macro m() %}{{ kwargs }}{% endmacro %}{% call m(a=1) %}{% endcall %}", "{% macro m(x) -%}\n  {{ x }}\n{%- endmacro %}\n[{{ m(1) }}]\n",
    "{% set f = s.upper %}{{ f() }}", "{% set r = range %}{{ r(3)|list }}", "{{ dict(**d)|length }}", "{{ range(*[1, 4])|list }}", "{{ '{} {}'.format(*[1, 2]) }}", "{{ '{a}'.format(**{'a': 1}) }}",
    "{% generation %}a{% set q = 1 %}{{ q }}{{ n }}{% endgeneration %}{{ q }}", "{% for i in l %}{% generation %}{{ i }}{{ loop.index }}{% endgeneration %}{% endfor %}",
    "{% for i in l %}{%- generation -%} {{ i }} {%- endgeneration -%}{% endfor %}",
    # Statements that are mistakes.
    "{% nope %}", "{% if true %}", "{% endif %}", "{% if true %}{% endfor %}", "{% for i in l %}{% endif %}", "{% for %}", "{% for i l %}{% endfor %}", "{% for i in %}{% endfor %}",
    "{% set %}", "{% set x %}", "{% set x = %}", "{% elif x %}", "{% else %}", "{% do x %}", "{% if x %}{% else %}{% else %}{% endif %}", "{% if x %}a{% elif %}b{% endif %}",
    "{{ a b }}", "{{ a, b }}", "{{ (1, 2), 3 }}", "{% print 1, 2 %}", "{% print s %}", "{% 5 %}", "{% if x: %}a{% endif %}", "{% for i in l: %}{{ i }}{% endfor %}", "{% trans %}x{% endtrans %}",
    # Conditions.
    "{% if zz %}a{% elif n == 5 %}b{% else %}c{% endif %}", "{% if '' or 0 or none or [] or {} or () or 0.0 or range(0) %}a{% else %}b{% endif %}", "{% if l|select('gt', 99) %}a{% endif %}",
    "{% if n > 3 and s.startswith('H') or zz %}a{% endif %}", "{% if not zz %}{% if n %}x{% endif %}y{% endif %}", "{{ 'a' if t }}{{ 'b' if z }}{{ ('c' if z) is undefined }}",
    "{% if (m|first).role == 'user' and m[0]['content'] is string %}ok{% endif %}", "{% if 'a' in d and d.a and 'q' not in d %}ok{% endif %}", "{% if 1, 2 %}a{% endif %}",
    # Cyclers, joiners, namespaces, lookups.
    "{% set c = cycler('a', 'b', 'c') %}{{ c.next() }}{{ c.current }}{{ c.next() }}{% set _ = c.reset() %}{{ c.next() }}{{ c.pos }}", "{% set j = joiner('; ') %}{% for i in l %}{{ j() }}{{ i }}{% endfor %}", "{% set j = joiner() %}{{ j() }}a{{ j() }}b",
    "{% set ns = namespace(l=[]) %}{% for i in l %}{% set ns.l = ns.l + [i * 2] %}{% endfor %}{{ ns.l }}", "{% set ns = namespace(a=1) %}{% set ns2 = ns %}{% set ns2.a = 2 %}{{ ns.a }}",
    "{% set ns = namespace(a=1) %}{% macro m() %}{% set ns.a = 5 %}{% endmacro %}{{ m() }}{{ ns.a }}", "{% set ns = namespace(found=false) %}{% for x in l %}{% if x == 1 %}{% set ns.found = true %}{% endif %}{% endfor %}{{ ns.found }}",
    "{% set ns = namespace(a={'b': {}}) %}{% set ns.a.b = 1 %}", "{% set zz.a = 1 %}", "{{ ns.a }}{% set ns = 5 %}", "{% set x = {'items': [1]} %}{{ x['items'] }}{{ x.items is callable }}{{ x.get('items') }}{{ x.keys()|list }}",
    "{% set gen = l|map('string') %}{{ gen|join }}{{ gen|join }}|", "{% set gen = l|map('string') %}{% for g in gen %}{{ g }}{% endfor %}{% for g in gen %}{{ g }}{% else %}gone{% endfor %}", "{{ (l|map('string'))[0] }}|", "{{ (l|map('string'))|first }}",
    "{{ d.items()|first }}{{ d.items()|list|last }}{{ d.items()|length }}", "{{ d.items()[0] }}|", "{{ d.keys()|sort|join }}{{ d.values()|list }}", "{% for k in d.keys()|list + ['z'] %}{{ k }}{% endfor %}",
    "{{ m|tojson }}", "{{ m|tojson(indent=2) }}", "{{ nested|tojson(indent=4)|indent(2) }}", "{{ {'tools': m, 'n': n}|tojson(separators=(',', ':'), ensure_ascii=False) }}", "{{ u|tojson }}{{ u|tojson(ensure_ascii=True) }}",
    "{{ raise_exception('bad: ' ~ n) }}", "{% if n == 5 %}{{ raise_exception('five') }}{% endif %}", "{{ raise_exception(message='kw') }}", "{{ raise_exception('a', 'b') }}", "{{ raise_exception(zz) }}",
    "{{ s }}{{ s.undefinedmethod() }}", "{{ zz.foo }}", "{{ m[0].nope.nope }}", "{{ m[99].role }}", "{{ none.foo.bar }}", "{{ (1).foo.bar }}", "{{ m.role }}|", "{{ m.role.x }}", "{{ 5() }}", "{{ s() }}", "{{ d() }}", "{{ [1]() }}", "{{ none() }}",
    "{{ {'a': 1, 'a': 2} }}", "{{ {s: n, n: s} }}", "{{ {'x': m[0]}['x']['role'] }}", "{{ [l, d][0][1] }}", "{{ l[n - 4] }}", "{{ l[n - 4:n] }}", "{{ d[s[0]|lower] }}|", "{{ d['a' if t else 'b'] }}",
    "{{ not zz }}{{ not not n }}{{ not n and zz }}{{ n and not zz }}", "{{ -n ** 2 }}{{ (-n) ** 2 }}{{ 2 * -n }}{{ 2 - -n }}{{ - - n }}{{ +n }}", "{{ n + f * 2 - 1 // 2 % 3 }}", "{{ 'a' + 'b' * 2 ~ 'c' + 'd' }}",
    "{{ 1 ~ 2 + 3 }}", "{{ 'x' ~ n + 1 }}", "{{ n is odd ~ 'x' }}", "{{ s|upper ~ s|lower }}", "{{ s|length + 1 }}", "{{ s == 'Hello World' and n }}", "{{ n > 3 == true }}", "{{ 1 < n < 10 != 3 }}", "{{ 'o' in s in ['o'] }}", "{{ n not in l and n in [5] }}",
    "{{ s | replace('o', '0') | upper | list | length }}", "{{ s|default('x')|upper }}", "{{ (s|lower).split()|map('capitalize')|join(' ') }}", "{{ s.lower().upper().title()[0:3] }}", "{{ s [0] . upper ( ) }}", "{{ s\n.upper()\n }}", "{{\n  n\n}}",
    "{{ caller is defined }}{{ varargs is defined }}{{ kwargs is defined }}", "{{ True }}{{ False }}{{ None }}{{ true }}{{ false }}{{ none }}", "{{ TRUE }}|{{ Null }}|", "{{ {true: 1}[1] }}", "{{ _private }}|{{ __class__ }}|",
    "{{ range(3) }}{{ range(1, 3) }}{{ range(0, 9, 3) }}", "{{ 'é' == '\\xe9' }}{{ '\\u00e9' }}{{ '\\'' }}{{ \"\\\"\" }}{{ '\\\\' }}{{ '\\n' }}{{ '\\t' }}|", "{{ 'a\\\nb' }}", "{{ 'multi\nline' }}",
    "{{ '<|im_start|>' + m[0].role + '\\n' + m[0].content + '<|im_end|>' }}", "{{ m[0].content + m[2].content }}", "{{ m[0].content ~ m[2].content }}", "{{ 'a' + zz }}", "{{ 'a' + none }}", "{{ 'a' + l }}", "{{ 'a' + d }}", "{{ 'a' + 1.5 }}", "{{ 'a' + true }}", "{{ l + 1 }}", "{{ l + d }}", "{{ l + l|list }}", "{{ d + d }}", "{{ none + 'a' }}", "{{ 1 - 'a' }}", "{{ s - 1 }}", "{{ s / 2 }}", "{{ s // 2 }}", "{{ s ** 2 }}", "{{ l * 2 }}", "{{ 2 * l }}", "{{ 'ab' * 3 }}{{ 3 * 'ab' }}{{ 'ab' * -1 }}{{ 'ab' * true }}", "{{ (1, 2) * 2 }}", "{{ l * 1.5 }}", "{{ l % 2 }}", "{{ none % 2 }}",
    "{{ s|join(', ') }}{{ l|join(', ') }}{{ [1.0, none]|join('/') }}", "{{ [['a', 1], ['b', 2]]|map('join', '=')|join('&') }}", "{{ m|map(attribute='content')|select('string')|join }}", "{{ m|map(attribute='content.x')|list }}", "{{ m|map(attribute='role')|map('first')|list }}", "{{ m|groupby('role')|map(attribute=0)|list }}", "{% for g in m|groupby('role') %}{{ g.grouper }}{{ g.list|length }}{{ g[0] }};{% endfor %}", "{% for role, items in m|groupby('role') %}{{ role }}{{ items|map(attribute='n')|list }};{% endfor %}",
    "{{ text.split('\\n')|map('trim')|select|list }}", "{{ text.splitlines()|map('length')|list }}", "{{ (text|wordwrap(12)).split('\\n')|length }}", "{{ text|wordcount }}",
    # Words from the right, and zeros that are grouped.
    "{{ text.rsplit() }}", "{{ '\\t a\\u3000b \\x1f\\xa0c\\n '.rsplit() }}{{ '\\t a\\u3000b \\x1f\\xa0c\\n '.rsplit(none, 2) }}{{ ' a '.rsplit(none, 0) }}{{ ' \\n'.rsplit() }}{{ ''.rsplit() }}",
    "{% for w in range(13) %}{{ ('{:0' ~ w ~ ',d}').format(1) }}|{{ ('{:+0' ~ w ~ ',}').format(-123) }}|{{ ('{:=+0' ~ w ~ ',}').format(4567) }}|{{ ('{:#0' ~ w ~ '_x}').format(255) }} {% endfor %}",
    "{% for w in range(13) %}{{ ('{:0' ~ w ~ ',.2f}').format(1.5) }}|{{ ('{:0' ~ w ~ ',}').format(-1.5) }}|{{ ('{:0' ~ w ~ ',.1%}').format(12.5) }}|{{ ('{:0' ~ w ~ ',}').format(('i' ~ 'nf' if w else s)|float) }}|{{ ('{:<0' ~ w ~ ',}').format(-n) }} {% endfor %}",
    "{% for f in ['065534,d', '065535,d', '0100001,d', '0100001_b', '0100001,.3f'] %}{{ ('{:' ~ f ~ '}').format(7)|length }} {{ ('{:' ~ f ~ '}').format(7)[:9] }} {% endfor %}",
    "{% for n in [0, 1, 7, 8, 9, 255, 256, 2 ** 63, 2 ** 64 - 1, 3 ** 90] %}{{ '{:b} {:o} {:x} {:X} {:#_b}'.format(n, n, n, -n, n) }} {{ '%o %x' % (n, n) }} {% endfor %}", "{% set bits = 65535 %}{{ '{:b}'.format(2 ** bits)|length }}",
]
