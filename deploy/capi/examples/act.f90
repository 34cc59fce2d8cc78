! A policy that acts: gfortran phalanx_policy.f90 act.f90 -lphalanx_policy -o act && ./act policy.phx
program act
  use, intrinsic :: iso_c_binding
  use phalanx_policy
  implicit none
  type(c_ptr) :: policy
  character(len=4096) :: path
  real(c_double), allocatable :: observation(:, :), action(:, :)
  real(c_double) :: log_prob(1)
  integer(c_int64_t) :: random
  integer :: step

  call get_command_argument(1, path)
  policy = phalanx_open(path)
  if (.not. phalanx_is_open(policy)) then
    write (0, '(a)') phalanx_message()
    stop 1
  end if
  print '(i0, a, i0, a, i0, a)', phalanx_inputs(policy), " input of ", phalanx_input_len(policy, 0_c_size_t), &
    " elements, ", phalanx_action_len(policy), " number an action"
  if (phalanx_selftest(policy) /= 0) then
    write (0, '(a)') phalanx_message()
    stop 1
  end if
  allocate (observation(phalanx_input_len(policy, 0_c_size_t), 1), action(phalanx_action_len(policy), 1))
  observation = 0
  do step = 0, 2
    if (phalanx_act(policy, observation, action) /= 0) then
      write (0, '(a)') phalanx_message()
      stop 1
    end if
    print '(a, i0, a, *(1x, g0.7))', "step ", step, ":", action
  end do
  ! Twenty actions that are drawn, in a new episode.
  if (phalanx_reset(policy, 0_c_size_t) /= 0) stop 1
  random = 1
  do step = 1, 20
    if (phalanx_sample(policy, observation, random, action, log_prob) /= 0) then
      write (0, '(a)') phalanx_message()
      stop 1
    end if
    print '(a, g0.7, a, g0.7)', "drawn ", action(1, 1), ", log probability ", log_prob
  end do
  call phalanx_close(policy)
end program
