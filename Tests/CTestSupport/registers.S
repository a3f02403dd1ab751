#if defined(__x86_64__)
        .text
        .globl  test_registers_survive
        .type   test_registers_survive, @function
test_registers_survive:
        .cfi_startproc
        pushq   %rbp
        .cfi_adjust_cfa_offset 8
        pushq   %rbx
        .cfi_adjust_cfa_offset 8
        pushq   %r12
        .cfi_adjust_cfa_offset 8
        pushq   %r13
        .cfi_adjust_cfa_offset 8
        pushq   %r14
        .cfi_adjust_cfa_offset 8
        pushq   %r15
        .cfi_adjust_cfa_offset 8
        subq    $8, %rsp
        .cfi_adjust_cfa_offset 8
        movq    %rdx, (%rsp)
        leaq    1(%rdx), %rbp
        leaq    2(%rdx), %rbx
        leaq    3(%rdx), %r12
        leaq    4(%rdx), %r13
        leaq    5(%rdx), %r14
        leaq    6(%rdx), %r15
        movq    %rdi, %rax
        movq    %rsi, %rdi
        callq   *%rax
        movq    (%rsp), %rdx
        subq    %rdx, %rbp
        subq    %rdx, %rbx
        subq    %rdx, %r12
        subq    %rdx, %r13
        subq    %rdx, %r14
        subq    %rdx, %r15
        xorq    $1, %rbp
        xorq    $2, %rbx
        xorq    $3, %r12
        xorq    $4, %r13
        xorq    $5, %r14
        xorq    $6, %r15
        orq     %rbp, %rbx
        orq     %rbx, %r12
        orq     %r12, %r13
        orq     %r13, %r14
        xorl    %eax, %eax
        orq     %r14, %r15
        sete    %al
        addq    $8, %rsp
        .cfi_adjust_cfa_offset -8
        popq    %r15
        .cfi_adjust_cfa_offset -8
        popq    %r14
        .cfi_adjust_cfa_offset -8
        popq    %r13
        .cfi_adjust_cfa_offset -8
        popq    %r12
        .cfi_adjust_cfa_offset -8
        popq    %rbx
        .cfi_adjust_cfa_offset -8
        popq    %rbp
        .cfi_adjust_cfa_offset -8
        ret
        .cfi_endproc
        .size   test_registers_survive, .-test_registers_survive
#endif
        .section .note.GNU-stack, "", %progbits
