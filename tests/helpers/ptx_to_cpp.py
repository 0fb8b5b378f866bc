"""PTX, what NVRTC makes of a kernel, as C++ that the host runs thread by thread (tests/data/ptx.h).

The stand-in compiles the source as the host's compiler reads it; this is the code of the GPU's
compiler: its fused products, flushed float32, exp, log and divisions, its unrolled loops, loads
through the read-only path, and arrays on a thread's stack. One PTX instruction becomes one C++
block; registers are variables. What is not known here is an error, never left out.

    program(text, launched)     (C++ text, kernels) of a PTX text
"""

import re
from dataclasses import dataclass, field

C_TYPES = {"pred": "int", "b8": "uint8_t", "u8": "uint8_t", "s8": "int8_t", "b16": "uint16_t",
           "u16": "uint16_t", "s16": "int16_t", "b32": "uint32_t", "u32": "uint32_t",
           "s32": "int32_t", "b64": "uint64_t", "u64": "uint64_t", "s64": "int64_t",
           "f32": "float", "f64": "double"}
SIZES = {t: int(t[1:]) // 8 for t in C_TYPES if t != "pred"}
WIDE = {"s16": "s32", "u16": "u32", "s32": "s64", "u32": "u64"}
SPECIAL = {f"%{word}.{axis}": f"{name}.{axis}" for word, name in (
    ("tid", "threadIdx"), ("ntid", "blockDim"), ("ctaid", "blockIdx"), ("nctaid", "gridDim"))
    for axis in "xyz"}
COMPARISONS = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "lo": "<",
               "ls": "<=", "hi": ">", "hs": ">="}
ROUNDINGS = {"rzi": "trunc", "rni": "nearbyint", "rmi": "floor", "rpi": "ceil"}

# Of operands 0, 1, 2: floating point, then integers.
FLOATING = {"add": "{0} + {1}", "sub": "{0} - {1}", "mul": "{0} * {1}", "div": "{0} / {1}",
            "fma": "std::fma({0}, {1}, {2})", "sqrt": "std::sqrt({0})", "neg": "-{0}",
            "abs": "std::fabs({0})", "max": "std::fmax({0}, {1})", "min": "std::fmin({0}, {1})"}
INTEGER = {"add": "wrap({0}) + wrap({1})", "sub": "wrap({0}) - wrap({1})", "div": "{0} / {1}",
           "rem": "{0} % {1}", "and": "{0} & {1}", "or": "{0} | {1}", "xor": "{0} ^ {1}",
           "not": "~{0}", "neg": "0 - wrap({0})", "abs": "{0} < 0 ? -{0} : {0}",
           "max": "{0} > {1} ? {0} : {1}", "min": "{0} < {1} ? {0} : {1}",
           "shl": "left({0}, {1})", "shr": "right({0}, {1})"}
FLOPS = {"fma": 2} | dict.fromkeys(("add", "sub", "mul", "div", "sqrt", "rcp"), 1)     # counted
LOGIC = {"and": "&&", "or": "||", "xor": "^"}


@dataclass
class Kernel:
    """One entry of a PTX text on its way to C++.

    waits: threads wait for one another; accesses: loads and stores of global memory so far.
    """

    name: str
    parameters: list[str]
    declarations: list[str] = field(default_factory=list)
    body: list[str] = field(default_factory=list)
    waits: bool = False
    accesses: int = 0


def program(text, launched):
    """Return (C++ text, kernels) of a PTX text; launched: path of the header that runs them."""
    kernels = translate(text)
    parts = [f'#include "{launched}"']
    for k in kernels:
        parts += [f"static void ptx_{k.name}(void** given)\n{{", *k.declarations, *k.body, "}",
                  f'extern "C" void launch_{k.name}(const unsigned* g, const unsigned* b, int, '
                  f"void** a) {{ device::launch(g, b, {int(k.waits)}, ptx_{k.name}, a); }}"]
    return "\n".join(parts), kernels


def translate(text):
    """Return the kernels of a PTX text."""
    text = re.sub(r"//[^\n]*", "", text)
    kernels = []
    for match in re.finditer(r"\.entry\s+(\w+)\s*\((.*?)\)\s*(?:\.\w+[^{]*)?\{", text, flags=re.S):
        names = [re.search(r"(\w+)\s*(?:\[\d+\])?\s*$", p.strip())[1]
                 for p in match[2].split(",") if p.strip()]
        kernel = Kernel(match[1], names)
        for statement in statements(body_from(text, match.end())):
            translate_statement(kernel, statement)
        kernels.append(kernel)
    return kernels


def body_from(text, begin):
    """Return the text up to the brace that closes the one before `begin`."""
    depth, end = 1, begin
    while depth:
        depth += {"{": 1, "}": -1}.get(text[end], 0)
        end += 1
    return text[begin:end - 1]


def statements(body):
    """Return labels, braces and statements in order; vectors {a, b} become <a, b>."""
    body = re.sub(r"\{\s*([%\w$, ]+?)\s*\}",
                  lambda m: f"<{m[1]}>" if "%" in m[1] else m[0], body)
    return [" ".join(s.split()) for s in re.findall(r"[^;{}:]+:|[^;{}]+;|[{}]", body)]


def translate_statement(kernel, text):
    """Add a statement's C++ to the kernel."""
    if text in "{}":
        kernel.body.append(text)
    elif text.endswith(":"):
        kernel.body.append(text.replace("$", "") + ";")
    elif text.startswith(".reg"):
        kind, names = re.fullmatch(r"\.reg \.(\w+) (.*);", text).groups()
        for name in names.split(","):
            declare(kernel, C_TYPES[kind], name.strip())
    elif text.startswith(".local"):
        name, size = re.fullmatch(r"\.local \.align \d+ \.b8 (\w+)\[(\d+)\];", text).groups()
        kernel.declarations.append(f"alignas(16) unsigned char {name}[{size}]; "
                                   f"memset({name}, 0xFF, {size});")
    elif not text.startswith((".loc", ".pragma", ".file")):
        kernel.body.append(instruction(kernel, text.rstrip(";").strip()))


def declare(kernel, c_type, name):
    """Declare registers: %r<9> is %r0 to %r8; one of an inner scope stays there."""
    many = re.fullmatch(r"%(\w+)<(\d+)>", name)
    if many:
        names = (f"r_{many[1]}{n} = 0" for n in range(int(many[2])))
        kernel.declarations.append(f"{c_type} {', '.join(names)};")
    else:
        kernel.body.append(f"{c_type} {register(name)};")


def instruction(kernel, text):
    """Return the C++ of one instruction, with its guard."""
    guard = ""
    if match := re.match(r"@(!?)(%\w+)\s+(.*)", text):
        guard, text = f"if ({match[1]}{register(match[2])}) ", match[3]
    word, _, arguments = text.partition(" ")
    name, *options = word.split(".")
    given = [a.strip() for a in re.split(r",(?![^<]*>)(?![^\[]*\])", arguments) if a.strip()]
    handler = HANDLERS.get(name, arithmetic)
    if options and options[-1] == "pred" and name != "mov":
        handler = logic
    code = handler(kernel, name, options, given)
    if code is None:
        raise ValueError(f"no translation of {text!r}")
    return guard + "{ " + code + " }"


def register(name):
    """Return a register's name in C++."""
    name = name.strip()
    if name in SPECIAL:
        return SPECIAL[name]
    return "r_" + name[1:] if name.startswith("%") else name


def operand(text, kind):
    """Return an operand, read as a value of PTX type `kind`."""
    text = text.strip()
    if text in SPECIAL:
        return f"(({C_TYPES[kind]}){SPECIAL[text]})"
    if re.fullmatch(r"%\w+|temp\w*", text):
        return f"as<{C_TYPES[kind]}>({register(text)})"
    if match := re.fullmatch(r"0[dD]([0-9A-Fa-f]{16})", text):
        return f"as<double>(uint64_t(0x{match[1]}ULL))"
    if match := re.fullmatch(r"0[fF]([0-9A-Fa-f]{8})", text):
        return f"as<float>(uint32_t(0x{match[1]}U))"
    if re.fullmatch(r"-?(0x[0-9A-Fa-f]+|\d+)U?", text):
        return f"(({C_TYPES[kind]}){text.rstrip('U')}LL)"
    raise ValueError(f"operand {text!r} of type {kind}")


def put(target, kind, value):
    """Return the assignment of a value of type `kind` to a register."""
    name = register(target)
    return f"{name} = as<decltype({name})>(({C_TYPES[kind]})({value}));"


def address(text):
    """Return the address of an operand [base+offset]."""
    base, offset = re.fullmatch(r"\[([%\w$]+)(?:\+(-?\d+))?\]", text.strip()).groups()
    return f"({register(base) if base[0] == '%' else f'(uint64_t){base}'} + ({offset or 0}))"


def vector(text):
    """Return the registers of <a, b>, or the only one."""
    return text.strip("<>").split(",")


# ---- instructions: kernel, name, options behind it, operands -> C++ -----------------------------

def jump(kernel, name, options, given):
    return f"goto {given[0].replace('$', '')};"


def leave(kernel, name, options, given):
    return "return;"


def barrier(kernel, name, options, given):
    kernel.waits = True
    return "barrier();" if given == ["0"] else None


def shuffle(kernel, name, options, given):
    kernel.waits = True
    if options[:2] != ["sync", "bfly"]:
        return None
    return put(given[0].split("|")[0], "b32",
               f"shuffle({operand(given[1], 'b32')}, {operand(given[2], 'b32')})")


def load(kernel, name, options, given):
    kind, targets = options[-1], vector(given[0])
    if "param" in options:
        base, offset = re.fullmatch(r"\[(\w+)(?:\+(\d+))?\]", given[1]).groups()
        where = f"((uint64_t)given[{kernel.parameters.index(base)}] + {offset or 0})"
    else:
        where = place(kernel, "reads", options, given[1], len(targets))
    return f"const uint64_t from = {where}; " + " ".join(
        put(target, kind, f"load<{C_TYPES[kind]}>(from + {n * SIZES[kind]})")
        for n, target in enumerate(targets))


def store(kernel, name, options, given):
    kind, sources = options[-1], vector(given[1])
    where = place(kernel, "writes", options, given[0], len(sources))
    word = "store_global" if "global" in options else "store"
    return f"const uint64_t to = {where}; " + " ".join(
        f"{word}<{C_TYPES[kind]}>(to + {n * SIZES[kind]}, {operand(source, kind)});"
        for n, source in enumerate(sources))


def place(kernel, what, options, text, count):
    """Return the address of an access, which the watcher sees; stacks are not watched."""
    if "local" in options:
        return address(text)
    if "global" not in options:
        raise ValueError(f"neither global nor local: {options} {text}")
    kernel.accesses += 1
    return (f"{what}({address(text)}, {count * SIZES[options[-1]]}, {int('nc' in options)}, "
            f"{kernel.accesses})")


def move(kernel, name, options, given):
    target, source = given
    kind = options[-1]
    half = {"b64": "b32", "b32": "b16"}.get(kind)
    if source.startswith("<"):
        low, high = (operand(part, half) for part in vector(source))
        return put(target, kind, f"({C_TYPES[kind]}){low} | (({C_TYPES[kind]}){high} << "
                                 f"{8 * SIZES[half]})")
    if target.startswith("<"):
        low, high = map(register, vector(target))
        return (f"const {C_TYPES[kind]} whole = {operand(source, kind)}; "
                f"{low} = ({C_TYPES[half]})whole; "
                f"{high} = ({C_TYPES[half]})(whole >> {8 * SIZES[half]});")
    if kind == "pred":
        return f"{register(target)} = {register(source)};"
    if source.startswith("__local_depot"):
        return f"{register(target)} = (uint64_t){source};"
    return put(target, kind, operand(source, kind))


def change_space(kernel, name, options, given):
    return put(given[0], "u64", operand(given[1], "u64"))


def compare(kernel, name, options, given):
    """Set a predicate; with a number that is none, only `ne` of integers and ...u hold."""
    how, kind = options[0], options[-1]
    one, other = (flushed(options, operand(v, kind)) for v in given[1:])
    none = f"(std::isnan({one}) || std::isnan({other}))"
    target = register(given[0])
    if kind not in ("f32", "f64"):
        return f"{target} = {one} {COMPARISONS[how]} {other};"
    if how in ("nan", "num"):
        return f"{target} = {'' if how == 'nan' else '!'}{none};"
    if how.endswith("u"):
        return f"{target} = {none} || {one} {COMPARISONS[how[:-1]]} {other};"
    return f"{target} = !{none} && {one} {COMPARISONS[how]} {other};"


def select(kernel, name, options, given):
    kind = options[-1]
    return put(given[0], kind, f"{register(given[3])} ? {operand(given[1], kind)} : "
                               f"{operand(given[2], kind)}")


def logic(kernel, name, options, given):
    """Logic of predicates."""
    if name == "setp":
        return compare(kernel, name, options, given)
    one, *other = map(register, given[1:])
    if name == "not":
        return f"{register(given[0])} = !{one};"
    return f"{register(given[0])} = {one} {LOGIC[name]} {other[0]};" if name in LOGIC else None


def convert(kernel, name, options, given):
    to, of = options[-2:]
    value = operand(given[1], of)
    if to == "f32":
        return put(given[0], to, flushed(options, f"(float){value}"))
    if to == "f64":
        return put(given[0], to, f"(double){flushed(options, value) if of == 'f32' else value}")
    if of in ("f32", "f64"):
        rounded = f"{ROUNDINGS[options[0]]}((double){value})"
        return put(given[0], to, f"clamped<{C_TYPES[to]}>({rounded})")
    return put(given[0], to, f"({C_TYPES[to]}){value}")


def multiply(kernel, name, options, given):
    """mul and mad of integers: of double width, the upper or the lower half."""
    kind = options[-1]
    if kind in ("f32", "f64"):
        return arithmetic(kernel, name, options, given)
    one, other = (operand(v, kind) for v in given[1:3])
    if "wide" in options:
        kind = WIDE[kind]
        value = f"({C_TYPES[kind]}){one} * ({C_TYPES[kind]}){other}"
    elif "hi" in options:
        wide = C_TYPES[WIDE[kind]]
        value = f"(({wide}){one} * ({wide}){other}) >> {8 * SIZES[kind]}"
    else:
        value = f"wrap({one}) * wrap({other})"
    if name == "mad":
        value = f"wrap(({C_TYPES[kind]})({value})) + wrap({operand(given[3], kind)})"
    return put(given[0], kind, value)


def insert_bits(kernel, name, options, given):
    """bfi: the low bits of one number in place of as many of another, from a position on."""
    kind = options[-1]
    bits, into = (operand(v, kind) for v in given[1:3])
    begin, length = (operand(v, "u32") for v in given[3:])
    return put(given[0], kind, f"inserted({bits}, {into}, {begin}, {length})")


def reciprocal(kernel, name, options, given):
    kind = options[-1]
    word = "reciprocal_approx" if "approx" in options and kind == "f64" else "1 / "
    value = flushed(options, operand(given[1], kind), kind)
    return flops(name, kind) + put(given[0], kind, flushed(options, f"{word}({value})", kind))


def arithmetic(kernel, name, options, given):
    """All that is one expression of its operands."""
    kind = options[-1]
    if kind not in ("f32", "f64"):
        second = "u32" if name in ("shl", "shr") else kind
        values = [operand(v, kind if n == 0 else second) for n, v in enumerate(given[1:])]
        return put(given[0], kind, INTEGER[name].format(*values)) if name in INTEGER else None
    if name not in FLOATING or "approx" in options or "full" in options:
        return None
    values = [flushed(options, operand(v, kind)) for v in given[1:]]
    return flops(name, kind) + put(given[0], kind, flushed(options,
                                                           FLOATING[name].format(*values)))


def flops(name, kind):
    """Return the count of an instruction's operations, in ptx.h: nothing unless they are asked."""
    return f"FLOPS({int(kind == 'f32')}, {FLOPS[name]}) " if name in FLOPS else ""


def flushed(options, value, kind="f32"):
    """Return the value with subnormal float32 numbers flushed to zero, where the instruction does.
    """
    return f"flush({value})" if "ftz" in options and kind == "f32" else value


HANDLERS = {"bra": jump, "ret": leave, "bar": barrier, "barrier": barrier, "shfl": shuffle,
            "ld": load, "st": store, "mov": move, "cvta": change_space, "setp": compare,
            "selp": select, "cvt": convert, "mul": multiply, "mad": multiply, "rcp": reciprocal,
            "bfi": insert_bits}
