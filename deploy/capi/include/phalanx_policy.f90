! Policy files of Phalanx, for Fortran: the functions of phalanx_policy.h that solvers need, with strings and arrays of Fortran.
! A function returns 0, or a code of the header, and phalanx_message() has the reason.
module phalanx_policy
  use, intrinsic :: iso_c_binding
  implicit none
  private
  public :: phalanx_open, phalanx_close, phalanx_act, phalanx_sample, phalanx_reset, phalanx_set_rows, phalanx_selftest
  public :: phalanx_inputs, phalanx_input_len, phalanx_action_len, phalanx_message, phalanx_is_open

  interface
    function c_open(path) bind(c, name="phalanx_policy_open") result(policy)
      import :: c_ptr, c_char
      character(kind=c_char), intent(in) :: path(*)
      type(c_ptr) :: policy
    end function

    subroutine phalanx_close(policy) bind(c, name="phalanx_policy_close")
      import :: c_ptr
      type(c_ptr), value :: policy
    end subroutine

    function c_error() bind(c, name="phalanx_policy_error") result(text)
      import :: c_ptr
      type(c_ptr) :: text
    end function

    ! Inputs of the policy: parts of an observation.
    function phalanx_inputs(policy) bind(c, name="phalanx_policy_inputs") result(n)
      import :: c_ptr, c_size_t
      type(c_ptr), value :: policy
      integer(c_size_t) :: n
    end function

    ! Elements of an input, which are counted from 0.
    function phalanx_input_len(policy, input) bind(c, name="phalanx_policy_input_len") result(n)
      import :: c_ptr, c_size_t
      type(c_ptr), value :: policy
      integer(c_size_t), value :: input
      integer(c_size_t) :: n
    end function

    function phalanx_action_len(policy) bind(c, name="phalanx_policy_action_len") result(n)
      import :: c_ptr, c_size_t
      type(c_ptr), value :: policy
      integer(c_size_t) :: n
    end function

    function phalanx_set_rows(policy, rows) bind(c, name="phalanx_policy_set_rows") result(code)
      import :: c_ptr, c_size_t, c_int32_t
      type(c_ptr), value :: policy
      integer(c_size_t), value :: rows
      integer(c_int32_t) :: code
    end function

    ! Begins an episode in a row, which are counted from 0.
    function phalanx_reset(policy, row) bind(c, name="phalanx_policy_reset") result(code)
      import :: c_ptr, c_size_t, c_int32_t
      type(c_ptr), value :: policy
      integer(c_size_t), value :: row
      integer(c_int32_t) :: code
    end function

    function phalanx_selftest(policy) bind(c, name="phalanx_policy_selftest") result(code)
      import :: c_ptr, c_int32_t
      type(c_ptr), value :: policy
      integer(c_int32_t) :: code
    end function

    function c_act_f64(policy, rows, observation, action) bind(c, name="phalanx_policy_act_f64") result(code)
      import :: c_ptr, c_size_t, c_int32_t, c_double
      type(c_ptr), value :: policy
      integer(c_size_t), value :: rows
      real(c_double), intent(in) :: observation(*)
      real(c_double), intent(out) :: action(*)
      integer(c_int32_t) :: code
    end function

    function c_sample_f64(policy, rows, observation, random, action, log_prob) &
        bind(c, name="phalanx_policy_sample_f64") result(code)
      import :: c_ptr, c_size_t, c_int32_t, c_int64_t, c_double
      type(c_ptr), value :: policy
      integer(c_size_t), value :: rows
      real(c_double), intent(in) :: observation(*)
      integer(c_int64_t), intent(inout) :: random
      real(c_double), intent(out) :: action(*), log_prob(*)
      integer(c_int32_t) :: code
    end function

    function c_strlen(text) bind(c, name="strlen") result(n)
      import :: c_ptr, c_size_t
      type(c_ptr), value :: text
      integer(c_size_t) :: n
    end function
  end interface

contains

  ! Opens a policy file; phalanx_is_open tells whether it could.
  function phalanx_open(path) result(policy)
    character(len=*), intent(in) :: path
    type(c_ptr) :: policy
    policy = c_open(trim(path) // c_null_char)
  end function

  logical function phalanx_is_open(policy)
    type(c_ptr), intent(in) :: policy
    phalanx_is_open = c_associated(policy)
  end function

  ! Takes the actions [numbers, rows] for the observations [elements, rows] of a policy with one input of floats.
  function phalanx_act(policy, observation, action) result(code)
    type(c_ptr), intent(in) :: policy
    real(c_double), intent(in), contiguous :: observation(:, :)
    real(c_double), intent(out), contiguous :: action(:, :)
    integer(c_int32_t) :: code
    integer(c_size_t) :: rows
    rows = size(observation, 2, c_size_t)
    code = 1
    if (.not. fits(policy, observation, action)) return
    code = c_act_f64(policy, rows, observation, action)
  end function

  ! The same with actions that are drawn, and the log probability of each row's. Any number may be the generator's state at first.
  function phalanx_sample(policy, observation, random, action, log_prob) result(code)
    type(c_ptr), intent(in) :: policy
    real(c_double), intent(in), contiguous :: observation(:, :)
    integer(c_int64_t), intent(inout) :: random
    real(c_double), intent(out), contiguous :: action(:, :), log_prob(:)
    integer(c_int32_t) :: code
    integer(c_size_t) :: rows
    rows = size(observation, 2, c_size_t)
    code = 1
    if (.not. fits(policy, observation, action) .or. size(log_prob, 1, c_size_t) /= rows) return
    code = c_sample_f64(policy, rows, observation, random, action, log_prob)
  end function

  logical function fits(policy, observation, action)
    type(c_ptr), intent(in) :: policy
    real(c_double), intent(in) :: observation(:, :), action(:, :)
    fits = size(observation, 1, c_size_t) == phalanx_input_len(policy, 0_c_size_t) &
      .and. size(action, 1, c_size_t) == phalanx_action_len(policy) .and. size(action, 2) == size(observation, 2)
  end function

  ! Message of the last failure.
  function phalanx_message() result(message)
    character(len=:), allocatable :: message
    character(kind=c_char), pointer :: letters(:)
    type(c_ptr) :: text
    integer :: i
    text = c_error()
    call c_f_pointer(text, letters, [c_strlen(text)])
    allocate (character(len=size(letters)) :: message)
    do i = 1, size(letters)
      message(i:i) = letters(i)
    end do
  end function
end module
