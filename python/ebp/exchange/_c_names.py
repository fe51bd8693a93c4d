"""Names and comments of a C header, which take over texts that users have chosen."""

from __future__ import annotations

import re
import string
from typing import Any

# Those of C99 and later, and of C++, whose compilers may read the header too.
KEYWORDS = """
alignas alignof and and_eq asm auto bitand bitor bool break case catch char char8_t char16_t char32_t class
co_await co_return co_yield compl concept const const_cast consteval constexpr constinit continue decltype
default delete do double dynamic_cast else enum explicit export extern false float for friend goto if inline
int long mutable namespace new noexcept not not_eq nullptr operator or or_eq private protected public register
reinterpret_cast requires restrict return short signed sizeof static static_assert static_cast struct switch
template this thread_local throw true try typedef typeid typename typeof typeof_unqual union unsigned using
virtual void volatile wchar_t while xor xor_eq
"""
# Functions of math.h and complex.h, each also with the suffixes f and l.
MATHEMATICS = """
acos acosh asin asinh atan atan2 atanh cabs cacos cacosh carg casin casinh catan catanh cbrt ccos ccosh ceil
cexp cimag clog conj copysign cos cosh cpow cproj creal csin csinh csqrt ctan ctanh drem erf erfc exp exp10
exp2 expm1 fabs fdim finite floor fma fmax fmin fmod frexp gamma hypot ilogb isinf isnan j0 j1 jn ldexp lgamma
llrint llround log log10 log1p log2 logb lrint lround modf nan nearbyint nextafter nextdown nexttoward nextup
pow pow10 remainder remquo rint round roundeven scalb scalbln scalbn significand sin sincos sinh sqrt tan tanh
tgamma trunc y0 y1 yn
"""
# Macros and types of math.h, and names that many programs or compilers give a meaning to.
OTHERS = """
HUGE_VAL HUGE_VALF HUGE_VALL INFINITY MATH_ERREXCEPT MATH_ERRNO NAN double_t float_t fpclassify isfinite
isgreater isgreaterequal isless islessequal islessgreater isnormal isunordered iseqsig issignaling
issubnormal iszero lgamma_r lgammaf_r lgammal_r linux main math_errhandling signbit signgam unix
abort abs atexit atof atoi atol atoll bsearch calloc clearerr clock ctime difftime div exit fclose feof ferror
fflush fgetc fgets fopen fprintf fputc fputs fread free freopen fscanf fseek ftell fwrite getc getchar getenv
gets index isalnum isalpha isblank iscntrl isdigit isgraph islower isprint ispunct isspace isupper isxdigit
labs ldiv llabs lldiv malloc memchr memcmp memcpy memmove memset mktime perror printf putc putchar puts qsort
raise rand realloc remove rename rewind rindex scanf setbuf setvbuf signal snprintf sprintf srand sscanf
strcat strchr strcmp strcoll strcpy strcspn strdup strerror strlen strncat strncmp strncpy strpbrk strrchr
strspn strstr strtod strtof strtok strtol strtold strtoll strtoul strtoull strxfrm system time tmpfile tmpnam
tolower toupper ungetc vfprintf vprintf vsnprintf vsprintf
"""
TAKEN = {*KEYWORDS.split(), *OTHERS.split()}
TAKEN |= {name + suffix for name in MATHEMATICS.split() for suffix in ("", "f", "l")}
# No quotes, which enclose texts, and nothing that could end a comment, continue a line or be a trigraph.
PLAIN = frozenset(string.ascii_letters + string.digits + " _.,:;=+-()[]")


def checked_name(name: Any) -> str:
    """`name` if a program can have a function of this name beside all that the header defines."""
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
        raise ValueError(f"[export_c] name must be a C identifier; got {name!r}")
    if name in TAKEN or re.match(r"FP_|M_", name):
        raise ValueError(
            f"[export_c] name must be no keyword of C or C++, nor a name of the C library; got {name!r}"
        )
    # such names are inside the headers, or are the sizes of another header
    if re.match(r"(?i)ebp_", name) or name.endswith(("_INPUTS", "_OUTPUTS")):
        raise ValueError(
            f"[export_c] name must not begin with ebp_, nor end with _INPUTS or _OUTPUTS; got {name!r}"
        )
    return name


def commented(value: Any) -> str:
    """A label as a comment can hold it: other characters than `PLAIN` by their code points, as <U+00E9>."""
    text = value if isinstance(value, str) else repr(value)
    shown = "".join(sign if sign in PLAIN else f"<U+{ord(sign):04X}>" for sign in text)
    return f"'{shown}'" if isinstance(value, str) else shown
