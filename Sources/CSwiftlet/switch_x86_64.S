// The first frame of every stack on x86-64. The switch itself is inline: see swiftlet_context.h.
#if defined(__x86_64__)
        .text
        .p2align 4
        .globl  swiftlet_first_frame
        .hidden swiftlet_first_frame
        .type   swiftlet_first_frame, @function
swiftlet_first_frame:
        .cfi_startproc
        .cfi_undefined %rip     // unwinders stop here
        endbr64
        popq    %rdi            // the context
        popq    %rax            // run_context, which never returns
        xorl    %ebp, %ebp      // frame-pointer walkers stop here
        callq   *%rax
        ud2
        .cfi_endproc
        .size   swiftlet_first_frame, .-swiftlet_first_frame
#endif
        .section .note.GNU-stack, "", %progbits
