/* Shows a program a lesser processor than there is, at full speed: what models say on one without AVX, or with AVX2
 * only.
 *
 *     cc -O1 -shared -fPIC -o as_processor.so scripts/as_processor.c
 *     AS_PROCESSOR=sse|avx2 LD_PRELOAD=./as_processor.so PROGRAM
 *
 * Programs ask the CPUID instruction which others they may use. Linux can let it fault (arch_prctl(2),
 * ARCH_SET_CPUID); the handler answers in its place, without the bits of AVX-512 and AMX, and for `sse` without those
 * of AVX, FMA and AVX2. Emulation by QEMU shows the same, but takes minutes a photo. Needs Linux on x86-64 with
 * `cpuid_fault` in /proc/cpuinfo.
 * Threads inherit the fault; a program that is started from this one does not. */
#define _GNU_SOURCE
#include <asm/prctl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define BIT(n) (1u << (n))

enum { EAX, EBX, ECX, EDX };

/* Intel SDM, volume 2, CPUID: leaf 1; leaf 7, subleaves 0 and 1. */
enum { AVX_OF_1C = BIT(12) | BIT(28) | BIT(29) };  /* FMA, AVX, F16C */
enum { AVX2_OF_7B = BIT(5) };
enum { VECTOR_AES_OF_7C = BIT(9) | BIT(10) };
static const uint32_t AVX512_OF_7B =
    BIT(16) | BIT(17) | BIT(21) | BIT(26) | BIT(27) | BIT(28) | BIT(30) | BIT(31);
static const uint32_t AVX512_OF_7C = BIT(1) | BIT(6) | BIT(11) | BIT(12) | BIT(14);
static const uint32_t AVX512_AND_AMX_OF_7D = BIT(2) | BIT(3) | BIT(8) | BIT(22) | BIT(23) | BIT(24) | BIT(25);
static const uint32_t VNNI_AND_BF16_OF_71A = BIT(4) | BIT(5) | BIT(21) | BIT(23);
static const uint32_t VNNI_OF_71D = BIT(4) | BIT(5) | BIT(10) | BIT(19);

static int is_avx_shown;

static int set_fault(int is_off) { return (int)syscall(SYS_arch_prctl, ARCH_SET_CPUID, is_off); }

static void answer(uint32_t leaf, uint32_t subleaf, uint32_t of[4]) {
    set_fault(1);
    __asm__ volatile("cpuid" : "=a"(of[EAX]), "=b"(of[EBX]), "=c"(of[ECX]), "=d"(of[EDX]) : "a"(leaf), "c"(subleaf));
    set_fault(0);
    if (leaf == 1 && !is_avx_shown) of[ECX] &= ~AVX_OF_1C;
    if (leaf == 7 && subleaf == 0) {
        of[EBX] &= ~AVX512_OF_7B;
        of[ECX] &= ~AVX512_OF_7C;
        of[EDX] &= ~AVX512_AND_AMX_OF_7D;
        if (!is_avx_shown) {
            of[EBX] &= ~AVX2_OF_7B;
            of[ECX] &= ~VECTOR_AES_OF_7C;
        }
    }
    if (leaf == 7 && subleaf == 1) {
        of[EAX] &= ~VNNI_AND_BF16_OF_71A;
        of[EDX] &= ~VNNI_OF_71D;
    }
}

static void on_fault(int signal_number, siginfo_t *info, void *context) {
    (void)info;
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    const uint8_t *instruction = (const uint8_t *)registers[REG_RIP];
    if (instruction[0] != 0x0f || instruction[1] != 0xa2) {
        signal(signal_number, SIG_DFL); /* another fault: it happens again, and ends the program */
        return;
    }
    uint32_t of[4];
    answer((uint32_t)registers[REG_RAX], (uint32_t)registers[REG_RCX], of);
    registers[REG_RAX] = of[EAX];
    registers[REG_RBX] = of[EBX];
    registers[REG_RCX] = of[ECX];
    registers[REG_RDX] = of[EDX];
    registers[REG_RIP] += 2;
}

__attribute__((constructor)) static void begin(void) {
    const char *processor = getenv("AS_PROCESSOR");
    if (processor == NULL || (strcmp(processor, "sse") != 0 && strcmp(processor, "avx2") != 0)) {
        fputs("as_processor: AS_PROCESSOR is neither sse nor avx2\n", stderr);
        _exit(2);
    }
    is_avx_shown = strcmp(processor, "avx2") == 0;
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK};
    if (sigaction(SIGSEGV, &action, NULL) != 0 || set_fault(0) != 0) {
        perror("as_processor: this processor cannot let CPUID fault");
        _exit(1);
    }
}
